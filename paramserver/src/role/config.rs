//! Settings from a TOML file, overridden by the environment, overridden by flags.
//!
//! A file has no meaning of its own: each key is the name of a flag, and its value becomes that flag's default.
//! A table with the name of a subcommand holds the defaults of the subcommand's flags.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{ArgAction, Command, error::ErrorKind};
use toml::{Table, Value};

use super::nearest;

/// Where a role's settings file is looked for when neither `--config` nor `HOWDAH_CONFIG` names one.
#[derive(Debug, Clone, Copy)]
pub struct ConfigPlace<'a> {
    /// Read if it is there.
    pub default_file: Option<&'a Path>,
}

/// Settings that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read the settings in {}: {reason}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The file isn't TOML.
    #[error("the settings in {} are no valid TOML: {reason}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// A key isn't the name of a flag.
    #[error("{} has the unknown key `{key}`{hint}", file.display())]
    UnknownKey {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
        /// The key that may be meant.
        hint: String,
    },
    /// A value doesn't suit its key.
    #[error("{}: {reason}", file.display())]
    Value {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The flags or the environment are wrong, or help was asked for.
    #[error(transparent)]
    Usage(#[from] clap::Error),
}

/// Parses flags over the environment over the settings file.
///
/// `args` begin with the program's name. `A` should have a `--config` flag, for the help to show it.
///
/// # Errors
/// [`ConfigError`].
pub fn parse<A: clap::Parser>(args: Vec<OsString>, place: ConfigPlace<'_>) -> Result<A, ConfigError> {
    let mut command = A::command();
    if let Some(file) = find(&args, std::env::var_os("HOWDAH_CONFIG"), place) {
        let text = std::fs::read_to_string(&file)
            .map_err(|error| ConfigError::Read { file: file.clone(), reason: error.to_string() })?;
        command = with_file(command, &text, &file)?;
    }
    let matches = command.try_get_matches_from(args)?;
    Ok(A::from_arg_matches(&matches)?)
}

fn find(args: &[OsString], environment: Option<OsString>, place: ConfigPlace<'_>) -> Option<PathBuf> {
    let mut flags = args.iter().skip(1).take_while(|arg| *arg != "--");
    while let Some(flag) = flags.next() {
        if flag == "--config" {
            return flags.next().map(PathBuf::from);
        }
        if let Some(file) = flag.to_str().and_then(|flag| flag.strip_prefix("--config=")) {
            return Some(PathBuf::from(file));
        }
    }
    let default = || place.default_file.filter(|file| file.exists()).map(Path::to_path_buf);
    environment.map(PathBuf::from).or_else(default)
}

fn with_file(command: Command, text: &str, file: &Path) -> Result<Command, ConfigError> {
    let table: Table = toml::from_str(text).map_err(|error| ConfigError::Syntax {
        file: file.to_owned(),
        reason: error.to_string().trim_end().to_owned(),
    })?;
    let (tables, flags): (Vec<_>, Vec<_>) = table.into_iter().partition(|(_, value)| value.is_table());
    let mut command = with_defaults(command, flags, file)?;
    for (name, table) in tables {
        let Value::Table(table) = table else { continue };
        if command.find_subcommand(&name).is_none() {
            return Err(unknown(&command, &name, file));
        }
        let mut result = Ok(());
        command = command.mut_subcommand(&name, |sub| {
            with_defaults(sub.clone(), table, file).unwrap_or_else(|error| {
                result = Err(error);
                sub
            })
        });
        result?;
    }
    Ok(command)
}

fn with_defaults(
    mut command: Command,
    flags: impl IntoIterator<Item = (String, Value)>,
    file: &Path,
) -> Result<Command, ConfigError> {
    for (key, value) in flags {
        let id = settable(&command)
            .find(|(name, _)| *name == key || name.replace('-', "_") == key)
            .map(|(_, id)| id.to_owned());
        let id = id.ok_or_else(|| unknown(&command, &key, file))?;
        let texts =
            texts(&value).ok_or_else(|| wrong(file, format!("`{key}` can't be a table or a date")))?;
        check(&command, &id, &value, &texts).map_err(|reason| wrong(file, format!("`{key}`: {reason}")))?;
        // A flag that must be given can have no default, so it is no longer one that must be given.
        command = command.mut_arg(&id, |arg| arg.required(false).default_values(texts));
    }
    Ok(command)
}

fn wrong(file: &Path, reason: String) -> ConfigError {
    ConfigError::Value { file: file.to_owned(), reason }
}

/// The flags that a file may set: their names and ids.
fn settable(command: &Command) -> impl Iterator<Item = (&str, &str)> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let named = shown.filter_map(|arg| Some((arg.get_long()?, arg.get_id().as_str())));
    named.filter(|(name, _)| !["config", "help", "version"].contains(name))
}

fn unknown(command: &Command, key: &str, file: &Path) -> ConfigError {
    let near = nearest(&key.replace('_', "-"), settable(command).map(|(name, _)| name));
    let hint = near.map(|near| format!("; is `{}` meant?", near.replace('-', "_"))).unwrap_or_default();
    ConfigError::UnknownKey { file: file.to_owned(), key: key.to_owned(), hint }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    Some(match value {
        Value::String(text) => vec![text.clone()],
        Value::Integer(number) => vec![number.to_string()],
        Value::Float(number) => vec![number.to_string()],
        Value::Boolean(truth) => vec![truth.to_string()],
        Value::Array(values) => values.iter().map(texts).collect::<Option<Vec<_>>>()?.concat(),
        Value::Table(_) | Value::Datetime(_) => return None,
    })
}

/// Tries a flag's values as if they stood alone on the command line.
fn check(command: &Command, id: &str, value: &Value, texts: &[String]) -> Result<(), String> {
    let Some(arg) = command.get_arguments().find(|arg| arg.get_id() == id) else { return Ok(()) };
    match (arg.get_action(), value) {
        (ArgAction::SetTrue | ArgAction::SetFalse, Value::Boolean(_)) => return Ok(()),
        (ArgAction::SetTrue | ArgAction::SetFalse, _) => return Err("it must be true or false".to_owned()),
        (ArgAction::Set, Value::Array(_)) => return Err("it must be a single value".to_owned()),
        _ => {}
    }
    let name = arg.get_long().unwrap_or(id);
    let flags = texts.iter().map(|text| format!("--{name}={text}"));
    let line = std::iter::once(command.get_name().to_owned()).chain(flags);
    match command.clone().try_get_matches_from(line) {
        Err(error) if matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            Err(first.trim_start_matches("error: ").to_owned())
        }
        // What other flags are missing is for the real command line to say.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Args {
        #[arg(long)]
        slots: u32,
        #[arg(long)]
        insecure: bool,
        #[arg(long, default_value = "127.0.0.1:0")]
        listen_on: String,
        #[arg(long)]
        config: Option<PathBuf>,
        #[command(subcommand)]
        command: Option<Sub>,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Sub {
        Train {
            #[arg(long, default_value_t = 1)]
            epochs: u32,
        },
    }

    fn parsed(text: &str, flags: &[&str]) -> Result<Args, ConfigError> {
        let args = std::iter::once("howdah").chain(flags.iter().copied());
        let matches = with_file(Args::command(), text, Path::new("role.toml"))?.try_get_matches_from(args)?;
        Ok(<Args as clap::FromArgMatches>::from_arg_matches(&matches)?)
    }

    const FULL: &str = "slots = 2\ninsecure = true\nlisten_on = \"host:1\"\n[train]\nepochs = 9\n";

    #[test]
    fn flags_go_before_the_file_and_the_file_before_the_defaults() {
        let args = parsed(FULL, &["--slots", "3", "train"]).unwrap();
        assert_eq!((args.slots, args.insecure, &*args.listen_on), (3, true, "host:1"));
        assert!(matches!(args.command, Some(Sub::Train { epochs: 9 })));
        let args = parsed("slots = 2", &["train", "--epochs", "4"]).unwrap();
        assert_eq!((args.slots, args.insecure, &*args.listen_on), (2, false, "127.0.0.1:0"));
        assert!(matches!(args.command, Some(Sub::Train { epochs: 4 })));
    }

    #[test]
    fn a_wrong_file_is_named_with_its_key() {
        let wrong = [
            ("slotz = 2", "role.toml has the unknown key `slotz`; is `slots` meant?"),
            ("banana = 2", "role.toml has the unknown key `banana`"),
            ("config = \"other\"", "role.toml has the unknown key `config`"),
            ("[trian]\nepochs = 1", "role.toml has the unknown key `trian`"),
            ("[train]\nepoch = 1", "role.toml has the unknown key `epoch`; is `epochs` meant?"),
            ("insecure = 1", "role.toml: `insecure`: it must be true or false"),
            ("slots = [1, 2]", "role.toml: `slots`: it must be a single value"),
            ("slots = 2000-01-01", "role.toml: `slots` can't be a table or a date"),
        ];
        for (text, message) in wrong {
            assert_eq!(parsed(text, &[]).unwrap_err().to_string(), message);
        }
        let error = parsed("slots = \"many\"", &[]).unwrap_err().to_string();
        assert!(error.starts_with("role.toml: `slots`: invalid value 'many'"), "{error}");
        let error = parsed("slots = = 1", &[]).unwrap_err().to_string();
        assert!(error.starts_with("the settings in role.toml are no valid TOML"), "{error}");
    }

    #[test]
    fn the_flag_names_the_file_before_the_environment_does() {
        let find = |args: &[&str], environment: Option<&str>| {
            let args: Vec<OsString> = args.iter().map(OsString::from).collect();
            find(&args, environment.map(OsString::from), ConfigPlace { default_file: None })
        };
        assert_eq!(find(&["howdah", "--config", "a"], Some("b")), Some(PathBuf::from("a")));
        assert_eq!(find(&["howdah", "--config=a"], Some("b")), Some(PathBuf::from("a")));
        assert_eq!(find(&["howdah", "--", "--config=a"], Some("b")), Some(PathBuf::from("b")));
        assert_eq!(find(&["howdah"], None), None);
    }
}
