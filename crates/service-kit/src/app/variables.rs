//! The variables a service reads: secrets from files, those nobody knows, and what came of each.

use std::ffi::OsString;
use std::fmt::Write as _;

use anyhow::{Context, bail, ensure};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

/// Behind the name of a secret's variable: the file that it is in.
const FILE: &str = "_FILE";
/// What looks as if it was meant for a service. None of their variables begins like this.
const PREFIX: &str = "BOUTIQUE_";
/// How much alike two names are, from 0 to 1, when one may be meant by the other.
const ALIKE: f64 = 0.6;

/// What a variable was set to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) from: &'static str,
}

fn name(arg: &Arg) -> Option<String> {
    Some(arg.get_env()?.to_str()?.to_owned())
}

fn is_secret(arg: &Arg) -> bool {
    arg.is_hide_env_values_set()
}

/// Gives secrets that are in files to the arguments they are for, and says in the help that they can be.
pub fn with_secrets_from_files(
    mut command: Command,
    environment: impl Fn(&str) -> Option<OsString>,
) -> anyhow::Result<Command> {
    let secrets: Vec<_> = command.get_arguments().filter(|arg| is_secret(arg)).cloned().collect();
    let mut names = Vec::new();
    // An empty variable is how compose files say that there is none.
    let environment = |name: &str| environment(name).filter(|value| !value.is_empty());
    for (arg, name) in secrets.iter().filter_map(|arg| Some((arg, name(arg)?))) {
        let of_file = format!("{name}{FILE}");
        names.push(of_file.clone());
        let Some(path) = environment(&of_file) else { continue };
        if environment(&name).is_some() {
            bail!("{name} and {of_file} are both set; leave one of them out");
        }
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read the file of {of_file}"))?;
        // Most editors end a file with a line's end, which is no part of the secret.
        let text = text.trim_end_matches(['\r', '\n']).to_owned();
        ensure!(!text.is_empty(), "the file of {of_file} is empty");
        command = command.mut_arg(arg.get_id(), |arg| {
            arg.required(false).default_value(text).hide_default_value(true)
        });
    }
    if names.is_empty() {
        return Ok(command);
    }
    let help = format!("A secret may be in a file, which is named by: {}.", names.join(", "));
    Ok(command.after_help(help))
}

/// Every variable, and what it is; secrets are not shown.
pub(super) fn all(command: &Command, matches: &ArgMatches) -> Vec<Variable> {
    let variable = |arg: &Arg| {
        let id = arg.get_id().as_str();
        let raw = matches.try_get_raw(id).ok().flatten();
        let value = raw.map(|values| {
            let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
            values.join(",")
        });
        let from = match matches.value_source(id) {
            Some(ValueSource::EnvVariable) => "environment",
            Some(ValueSource::CommandLine) => "argument",
            // None has a default but an empty one.
            Some(_) if is_secret(arg) && value.as_ref().is_some_and(|it| !it.is_empty()) => "file",
            Some(_) => "default",
            None => "not set",
        };
        let value = match value {
            Some(value) if is_secret(arg) && !value.is_empty() => "(secret)".to_owned(),
            value => value.unwrap_or_default(),
        };
        Some(Variable { name: name(arg)?, value, from })
    };
    command.get_arguments().filter_map(variable).collect()
}

/// As a table for people.
pub(super) fn table(variables: &[Variable]) -> String {
    let width = |of: fn(&Variable) -> &str| {
        variables.iter().map(|variable| of(variable).len()).max().unwrap_or_default()
    };
    let (names, values) = (width(|v| &v.name), width(|v| &v.value));
    let mut table = String::new();
    for Variable { name, value, from } in variables {
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{name:names$}  {value:values$}  {from}");
    }
    table
}

/// A warning for each variable of the environment that looks as if it was meant for the service, which knows
/// none of that name.
pub(super) fn unknown<'e>(
    known: &[Variable],
    environment: impl Iterator<Item = &'e str>,
) -> Vec<String> {
    let warning = |unknown: &str| {
        let meant = unknown.strip_prefix(PREFIX)?;
        let nearest = known
            .iter()
            .map(|known| (strsim::normalized_damerau_levenshtein(meant, &known.name), known))
            .filter(|(alike, _)| *alike >= ALIKE)
            .max_by(|(a, _), (b, _)| a.total_cmp(b));
        Some(match nearest {
            Some((_, nearest)) => {
                format!("{unknown} is no variable of this service; is {} meant?", nearest.name)
            }
            None => format!("{unknown} is no variable of this service; --help lists those it has"),
        })
    };
    environment.filter_map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Command::new("service")
            .no_binary_name(true)
            .arg(
                Arg::new("database_url")
                    .long("database-url")
                    // No test's environment has them.
                    .env("SAMPLE_DATABASE_URL")
                    .hide_env_values(true)
                    .required(true),
            )
            .arg(Arg::new("brokers").long("brokers").env("SAMPLE_BROKERS").default_value("here"))
            .arg(Arg::new("folder").long("folder").env("SAMPLE_FOLDER"))
    }

    fn read(content: &str) -> anyhow::Result<ArgMatches> {
        let file = std::env::temp_dir().join(format!("boutique-secret-{}", uuid::Uuid::now_v7()));
        std::fs::write(&file, content).unwrap();
        let named = |name: &str| (name == "SAMPLE_DATABASE_URL_FILE").then(|| file.clone().into());
        let command = with_secrets_from_files(command(), named);
        std::fs::remove_file(&file).unwrap();
        Ok(command?.get_matches_from::<_, &str>([]))
    }

    #[test]
    fn a_secret_is_read_from_its_file() {
        let matches = read("postgres://secret\n").unwrap();
        assert_eq!(matches.get_one::<String>("database_url").unwrap(), "postgres://secret");
        let table = table(&all(&command(), &matches));
        let lines: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["SAMPLE_DATABASE_URL", "(secret)", "file"]);
        assert_eq!(lines[1], ["SAMPLE_BROKERS", "here", "default"]);
        assert_eq!(lines[2], ["SAMPLE_FOLDER", "not", "set"]);
    }

    #[test]
    fn a_secret_that_is_not_there_or_twice_is_an_error_that_names_the_variable() {
        assert!(read("\n").unwrap_err().to_string().contains("SAMPLE_DATABASE_URL_FILE is empty"));
        let nowhere = |name: &str| (name == "SAMPLE_DATABASE_URL_FILE").then(|| "/nowhere".into());
        let error = with_secrets_from_files(command(), nowhere).unwrap_err().to_string();
        assert!(error.contains("SAMPLE_DATABASE_URL_FILE"), "{error}");
        let error = with_secrets_from_files(command(), |_| Some("both".into())).unwrap_err();
        assert!(error.to_string().contains("are both set"), "{error}");
    }

    #[test]
    fn what_nobody_knows_is_told_with_the_nearest_name() {
        let known = ["KAFKA_BROKERS", "DATABASE_URL"].map(|name| Variable {
            name: name.to_owned(),
            value: String::new(),
            from: "default",
        });
        let environment = ["PATH", "KAFKA_BROKER", "BOUTIQUE_KAFKA_BROKER", "BOUTIQUE_COLOUR"];
        let warnings = unknown(&known, environment.into_iter());
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].ends_with("is KAFKA_BROKERS meant?"), "{warnings:?}");
        assert!(warnings[1].starts_with("BOUTIQUE_COLOUR is no variable"), "{warnings:?}");
    }
}
