//! What is shipped beside the programs, held against them; each folder under `deploy/` has a check of its own.

use std::process::{Command, Stdio};

use test_support::stack::checkout;

fn check(folder: &str) {
    let output = Command::new(checkout().join("deploy").join(folder).join("check"))
        .current_dir(checkout())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "deploy/{folder}/check:\n{text}");
}

#[test]
fn containers_are_given_what_the_services_read() {
    check("docker");
}

#[test]
fn kubernetes_is_told_nothing_that_it_or_the_services_would_refuse() {
    check("kubernetes");
}

#[test]
fn alerts_and_dashboards_are_about_figures_that_there_are() {
    check("prometheus");
}
