use std::path::PathBuf;

use clap::ValueEnum;

use super::super::{CliError, classify::ClusterArgs, models::ModelArgs};
use crate::{
    inference::{Input, ListPlace, PathList, Separator},
    predictions::Format,
};

/// Classifies pictures: any number of them, in the order in which they are given.
///
/// Pictures are found and classified as results are written, so that a list of millions takes no more memory than one of
/// thousands. One that can't be used gets a row with the reason, the others go on, and the exit code is 1.
///
/// Columns: path, class, probability, with --top-k N also class_2, probability_2 and so on, and error. JSON lines have the
/// probability of every class, or with --top-k a list of N. A picture in a tar or Parquet file is called FILE/NAME. A path
/// that is not UTF-8 is written as a file:// URL, whose bytes are encoded; PATH and lists take those, too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  howdah-driver predict --model model.safetensors photo.jpg\n  \
                        howdah-driver predict --model model.safetensors --output out.parquet pictures 'shards/{000..017}.tar'\n  \
                        find . -name '*.jpg' -print0 | howdah-driver predict --model model.safetensors --files-from - --null --format csv\n  \
                        howdah-driver predict --model model.safetensors --executors 4 --top-k 5 --format jsonl pictures\n  \
                        howdah-driver predict --model runs/a --model runs/b --combine vote pictures")]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    pub(super) models: ModelArgs,
    /// Pictures, folders of them, tar, Parquet, IDX or CIFAR files, patterns, or in a build with object stores URLs.
    #[arg(value_name = "PATH", required_unless_present = "files_from")]
    paths: Vec<PathBuf>,
    /// Also classify what is listed in this file, a path or URL on each line; - is standard input. The list is read as
    /// pictures are classified, some dozens at a time.
    #[arg(long, value_name = "FILE")]
    files_from: Option<PathBuf>,
    /// The paths of --files-from are separated by bytes 0, as by `find -print0`.
    #[arg(long, requires = "files_from")]
    null: bool,
    /// How results are written; by default as the name of --output ends, or as a table.
    #[arg(long, value_enum)]
    format: Option<FormatArg>,
    /// The file that results are written to, instead of standard output. It is there when it is whole: nothing is left of
    /// one that is interrupted.
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// How many of the most probable classes are named for each picture, at most all.
    #[arg(long, value_name = "CLASSES", value_parser = clap::value_parser!(u32).range(1..))]
    top_k: Option<u32>,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
}

/// See [`Format`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// Columns for people.
    Table,
    /// Comma-separated values, with a line of names.
    Csv,
    /// An object on each line.
    Jsonl,
    /// A Parquet file, which needs --output.
    Parquet,
}

impl Args {
    pub(super) fn format(&self) -> Result<Format, CliError> {
        let output = self.output.as_ref();
        let extension = output.and_then(|path| path.extension()).map(|end| end.to_ascii_lowercase());
        let format = match self.format {
            Some(FormatArg::Table) => Format::Table,
            Some(FormatArg::Csv) => Format::Csv,
            Some(FormatArg::Jsonl) => Format::JsonLines,
            Some(FormatArg::Parquet) => Format::Parquet,
            None => match extension.as_ref().and_then(|end| end.to_str()) {
                Some("csv") => Format::Csv,
                Some("jsonl" | "ndjson") => Format::JsonLines,
                Some("parquet") => Format::Parquet,
                _ => Format::Table,
            },
        };
        if output.is_none() && !format.is_stream() {
            return Err(CliError::Flag {
                flag: "--format parquet".to_owned(),
                reason: "such a file can't be read before it is whole; name one with --output FILE"
                    .to_owned(),
            });
        }
        Ok(format)
    }

    pub(super) fn input(&self) -> Input {
        let list = self.files_from.as_ref().map(|file| PathList {
            place: if file.as_os_str() == "-" { ListPlace::Stdin } else { ListPlace::File(file.clone()) },
            separator: if self.null { Separator::Null } else { Separator::Line },
        });
        Input { places: self.paths.clone(), list }
    }

    pub(super) fn top(&self) -> Option<usize> {
        self.top_k.map(|top| top as usize)
    }
}
