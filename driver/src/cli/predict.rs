use std::path::{Path, PathBuf};

use clap::ValueEnum;
use howdah_executor::rdd::Registry;
use serde_json::json;

use super::{CliError, models::ModelArgs, out};
use crate::{
    dataset,
    inference::{Classified, Classifier},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  howdah-driver predict --model model.safetensors photo.jpg\n  \
                        howdah-driver predict --model model.safetensors --format csv pictures > out.csv\n  \
                        howdah-driver predict --model runs/a --model runs/b --combine vote pictures")]
pub(super) struct Args {
    #[command(flatten)]
    models: ModelArgs,
    /// How the results are written.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Pictures, or folders of pictures.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Columns for people.
    Table,
    /// An array of objects, with the probability of every class.
    Json,
    /// Comma-separated values.
    Csv,
}

/// Classifies pictures.
pub(super) fn run(args: &Args, registry: &Registry) -> Result<(), CliError> {
    let ensemble = args.models.load()?;
    let classifier = Classifier::new(&ensemble, registry)?;
    let files = files(&args.paths)?;
    let classes = ensemble.classes();
    begin(args.format);
    let (mut failed, mut done) = (0, 0);
    classifier.classify(&files, |path, result| {
        let separator = if done == 0 { "" } else { "," };
        done += 1;
        match (args.format, &result) {
            (Format::Table, Ok(classified)) => {
                let class = &classes[classified.class];
                out::say(&format!(
                    "{:>8}  {class:<12}  {}",
                    out::percent(classified.probability()),
                    path.display()
                ));
            }
            (Format::Csv, Ok(classified)) => out::say(&csv_row(path, &classes[classified.class], classified)),
            (Format::Csv | Format::Table, Err(_)) => {}
            (Format::Json, result) => out::say(&format!("{separator}{}", object(path, classes, result))),
        }
        if let Err(reason) = result {
            failed += 1;
            out::complain(&format!("{}: {reason}", path.display()));
        }
    })?;
    if args.format == Format::Json {
        out::say("]");
    }
    if failed == 0 { Ok(()) } else { Err(CliError::Pictures { failed, all: files.len() }) }
}

fn begin(format: Format) {
    match format {
        Format::Table => {}
        Format::Json => out::say("["),
        Format::Csv => out::say("path,class,probability"),
    }
}

fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(dataset::pictures_below(path)?);
        } else {
            // A file that is named is tried, whatever its name; one that isn't there gets its error in turn.
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn object(path: &Path, classes: &[String], result: &Result<Classified, String>) -> String {
    let path = path.display().to_string();
    let value = match result {
        Ok(classified) => json!({
            "path": path,
            "class": classes[classified.class],
            "probability": classified.probability(),
            "probabilities": classes.iter().zip(&classified.probabilities)
                .map(|(class, probability)| (class.clone(), json!(probability)))
                .collect::<serde_json::Map<_, _>>(),
        }),
        Err(reason) => json!({ "path": path, "error": reason }),
    };
    value.to_string()
}

fn csv_row(path: &Path, class: &str, classified: &Classified) -> String {
    format!("{},{},{}", csv(&path.display().to_string()), csv(class), classified.probability())
}

/// Quotes a field that needs it (RFC 4180).
fn csv(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_commas_and_quotes_are_quoted() {
        assert_eq!(csv("a.jpg"), "a.jpg");
        assert_eq!(csv("a, \"b\".jpg"), "\"a, \"\"b\"\".jpg\"");
    }
}
