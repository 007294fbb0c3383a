use std::{collections::BTreeMap, path::Path};

use howdah_paramserver::role::nearest;
use toml::{Table, Value};

use super::{Range, Space};

/// A search space that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpaceError {
    /// The file can't be read.
    #[error("can't read the search space in {file}: {reason}")]
    Read {
        /// The file.
        file: String,
        /// Why not.
        reason: String,
    },
    /// It isn't TOML.
    #[error("the search space in {file} is no valid TOML: {reason}")]
    Syntax {
        /// The file.
        file: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// A name is none of a setting that can be searched.
    #[error("{file}: `{name}` is no setting that a search can vary{hint}; these are: {known}")]
    Unknown {
        /// The file.
        file: String,
        /// The name.
        name: String,
        /// What may be meant.
        hint: String,
        /// The settings that a search can vary.
        known: String,
    },
    /// A setting has no values that it can be drawn from.
    #[error("{file}: `{name}`: {reason}")]
    Range {
        /// The file.
        file: String,
        /// The setting.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// It varies nothing.
    #[error("{0} has no setting to vary")]
    Empty(String),
}

/// What a setting's values can look like.
const FORMS: &str = "a list of values is needed, or a table with one of `uniform`, `log-uniform` and `integers`, \
                     each with its two ends, as { log-uniform = [1e-4, 1e-2] }";

impl Space {
    /// Reads a space from a TOML file that has a key for each setting: a list of values to choose from, or a table
    /// with the kind of its range and the two ends. `known` are the flags that can be varied.
    ///
    /// # Errors
    /// [`SpaceError`], naming the file and the key.
    pub fn read(file: &Path, known: &[String]) -> Result<Self, SpaceError> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file)
            .map_err(|error| SpaceError::Read { file: name.clone(), reason: error.to_string() })?;
        Self::parse(&text, &name, known)
    }

    fn parse(text: &str, file: &str, known: &[String]) -> Result<Self, SpaceError> {
        let table: Table = toml::from_str(text).map_err(|error| SpaceError::Syntax {
            file: file.to_owned(),
            reason: error.to_string().trim_end().to_owned(),
        })?;
        let mut settings = BTreeMap::new();
        for (key, value) in table {
            let name = key.replace('_', "-");
            if !known.contains(&name) {
                let near = nearest(&name, known.iter().map(String::as_str));
                let hint = near.map(|near| format!(", is `{near}` meant?")).unwrap_or_default();
                let known = known.join(", ");
                return Err(SpaceError::Unknown { file: file.to_owned(), name: key, hint, known });
            }
            let wrong = |reason| SpaceError::Range { file: file.to_owned(), name: key.clone(), reason };
            let range = range(&value).map_err(wrong)?;
            range.check().map_err(wrong)?;
            if settings.insert(name, range).is_some() {
                return Err(wrong("it is there twice".to_owned()));
            }
        }
        if settings.is_empty() {
            return Err(SpaceError::Empty(file.to_owned()));
        }
        Ok(Self { settings })
    }
}

fn range(value: &Value) -> Result<Range, String> {
    match value {
        Value::Array(values) => {
            values.iter().map(text).collect::<Option<_>>().map(Range::Choice).ok_or_else(|| FORMS.to_owned())
        }
        Value::Table(table) => {
            let mut entries = table.iter();
            let (Some((kind, ends)), None) = (entries.next(), entries.next()) else {
                return Err(FORMS.to_owned());
            };
            let ends = ends.as_array().map(Vec::as_slice).unwrap_or_default();
            let [low, high] = ends else { return Err(FORMS.to_owned()) };
            let numbers = || number(low).zip(number(high));
            let range = match kind.replace('_', "-").as_str() {
                "uniform" => numbers().map(|(low, high)| Range::Uniform(low, high)),
                "log-uniform" => numbers().map(|(low, high)| Range::LogUniform(low, high)),
                "integers" => {
                    low.as_integer().zip(high.as_integer()).map(|(low, high)| Range::Integers(low, high))
                }
                _ => None,
            };
            range.ok_or_else(|| FORMS.to_owned())
        }
        _ => Err(FORMS.to_owned()),
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|number| number as f64))
}

/// A value as it stands on a command line; those of a list are joined by commas.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Array(values) => {
            let texts: Option<Vec<String>> = values.iter().map(text).collect();
            texts.map(|texts| texts.join(","))
        }
        Value::Table(_) | Value::Datetime(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::TrialId;

    fn parse(text: &str) -> Result<Space, SpaceError> {
        let known = ["lr", "dropout", "batch", "hidden", "momentum-every"].map(str::to_owned);
        Space::parse(text, "space.toml", &known)
    }

    #[test]
    fn a_file_has_lists_and_ranges() {
        let space = parse(
            "lr = { log-uniform = [1e-4, 1e-2] }\ndropout = { uniform = [0, 0.5] }\nbatch = [16, 32]\n\
             hidden = [[256, 128], \"64\"]\nmomentum_every = { integers = [1, 8] }",
        )
        .unwrap();
        let names: Vec<&str> = space.names().collect();
        assert_eq!(names, ["batch", "dropout", "hidden", "lr", "momentum-every"]);
        for trial in 0..100 {
            let flags = space.draw(3, TrialId(trial));
            assert_eq!(flags, space.draw(3, TrialId(trial)));
            assert!(["256,128", "64"].contains(&flags["hidden"].as_str()), "{flags:?}");
            assert!(["16", "32"].contains(&flags["batch"].as_str()), "{flags:?}");
        }
        assert_ne!(space.draw(3, TrialId(0)), space.draw(3, TrialId(1)));
        assert_ne!(space.draw(3, TrialId(0)), space.draw(4, TrialId(0)));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_file_and_setting() {
        for (text, words) in [
            ("droput = [1]", ["`droput`", "is `dropout` meant?", "lr, dropout, batch"]),
            ("zzzzzzz = [1]", ["space.toml", "`zzzzzzz`", "these are: lr"]),
            ("lr = 1", ["space.toml", "`lr`", "a list of values is needed"]),
            ("lr = []", ["space.toml", "`lr`", "nothing to choose from"]),
            ("lr = { uniform = [1] }", ["space.toml", "`lr`", "two ends"]),
            ("lr = { normal = [1, 2] }", ["space.toml", "`lr`", "log-uniform"]),
            ("lr = { log-uniform = [0, 2] }", ["space.toml", "`lr`", "above 0"]),
            ("lr = { integers = [0.5, 2] }", ["space.toml", "`lr`", "integers"]),
            ("momentum-every = [1]\nmomentum_every = [2]", ["space.toml", "momentum", "twice"]),
            ("lr = [", ["space.toml", "no valid TOML", "1"]),
            ("", ["space.toml", "no setting", "to vary"]),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{text}: {error}");
        }
    }
}
