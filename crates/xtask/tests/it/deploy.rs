//! What is shipped beside the programs, held against them; each folder under `deploy/` has a check of its own.

use std::process::Stdio;

use test_support::python;
use test_support::stack::checkout;
use tokio::process::Command;
use xtask::say;

/// What the checks need of Python that is not in every one.
const REQUIREMENTS: &str = "deploy/docker/requirements.txt";

async fn check(folder: &str) {
    let python = python(&checkout().join(REQUIREMENTS), &say).await.unwrap();
    let folders = [python.parent().unwrap().to_path_buf()].into_iter();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(folders.chain(std::env::split_paths(&path))).unwrap();
    let output = Command::new(checkout().join("deploy").join(folder).join("check"))
        .current_dir(checkout())
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "deploy/{folder}/check:\n{text}");
}

#[tokio::test]
async fn containers_are_given_what_the_services_read() {
    check("docker").await;
}

#[tokio::test]
async fn kubernetes_is_told_nothing_that_it_or_the_services_would_refuse() {
    check("kubernetes").await;
}

#[tokio::test]
async fn alerts_and_dashboards_are_about_figures_that_there_are() {
    check("prometheus").await;
}
