//! Requests made up from the services' own OpenAPI documents, sent to the running services.

use std::process::Stdio;

use anyhow::{Result, ensure};
use clap::builder::PossibleValuesParser;
use test_support::python;
use test_support::stack::{SERVICES, checkout};
use tokio::process::Command;

use crate::binaries::Profile;
use crate::say;
use crate::shop::Shop;
use crate::stack::{self, Settings, Stack};
use crate::{demo, stack::Unsupervised};

/// How it is run.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Run the services as built in debug, which compiles sooner
    #[arg(long)]
    pub debug: bool,
    /// Requests made up for each operation, at the most
    #[arg(long, default_value_t = 50)]
    pub examples: u32,
    /// Make up the same requests as an earlier run
    #[arg(long)]
    pub seed: Option<u64>,
    /// These services alone
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(SERVICES))]
    pub only: Vec<String>,
}

/// What no answer may be: a failure, one with a status, a type or a body that the document does not name, or one to
/// a request without the token that the document asks for.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,ignored_auth";

/// Brings a stack of its own up and asks every service for everything, as its admin.
pub async fn command(options: Options) -> Result<()> {
    let requirements = checkout().join("crates/xtask/python/schemathesis.txt");
    let python = python(&requirements, &|text| say(text)).await?;
    let program = python.with_file_name("schemathesis");
    let settings = Settings {
        unsupervised: Unsupervised::None,
        ..demo::stage("fuzz-api", Profile::of(options.debug))
    };
    stack::with(settings, async |Stack { description, .. }| {
        let shop = Shop::new(description.urls())?;
        let urls = description.urls();
        let mut failed = Vec::new();
        for service in SERVICES {
            let is_asked = options.only.is_empty() || options.only.iter().any(|it| it == service);
            let Some(url) = urls.get(service).filter(|_| is_asked) else { continue };
            say(&format!("\n== {service}"));
            // Anew each time: a token is good for a quarter of an hour.
            let admin = shop.sign_in(&description.admin.email, &description.admin.password).await?;
            let mut command = Command::new(&program);
            command
                .args(["run", &format!("{url}/openapi.json"), "--url", url])
                .args(["--header", &format!("Authorization: Bearer {}", admin.token)])
                .args(["--checks", CHECKS, "--no-color", "--request-timeout", "20"])
                .args(["--max-examples", &options.examples.to_string()])
                // A stream does not end, and whoever signs out is asked in vain from then on.
                .args(["--exclude-path", "/api/orders/events"])
                .args(["--exclude-path", "/api/users/signout"])
                .current_dir(checkout().join(".local"))
                .stdin(Stdio::null())
                .kill_on_drop(true);
            if let Some(seed) = options.seed {
                command.args(["--seed", &seed.to_string()]);
            }
            if !command.status().await?.success() {
                failed.push(service);
            }
        }
        ensure!(failed.is_empty(), "answers that no document names, of: {}", failed.join(", "));
        say("\nevery answer was one that the documents name");
        Ok(())
    })
    .await
}
