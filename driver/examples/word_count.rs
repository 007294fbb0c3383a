//! Counts the words of text files on a cluster of processes.
//!
//! ```text
//! cargo run --release --example word_count -- README.md ARCHITECTURE.md
//! ```

use std::{error::Error, fs, process::ExitCode};

use howdah_driver::rdd::{Context, Failure, FlatMap, Function, KeyBy, Registry, Sum, program};
use serde::{Deserialize, Serialize};

/// Cuts a line into its words, and gives each with the count of one.
#[derive(Serialize, Deserialize)]
struct Words {
    /// Shorter words are left out.
    letters: usize,
}

impl Function for Words {
    const NAME: &'static str = "words";

    fn validate(&self) -> Result<(), String> {
        if self.letters > 0 { Ok(()) } else { Err("a word has a letter at least".to_owned()) }
    }
}

impl FlatMap for Words {
    type Input = String;
    type Output = (String, u64);

    fn flat_map(&mut self, line: String) -> Result<impl IntoIterator<Item = (String, u64)>, Failure> {
        let words = line.split(|letter: char| !letter.is_alphabetic());
        let long = words.filter(|word| word.chars().count() >= self.letters);
        Ok(long.map(|word| (word.to_lowercase(), 1)).collect::<Vec<_>>())
    }
}

/// Puts the count before the word, so that the most frequent words are the largest.
#[derive(Serialize, Deserialize)]
struct ByCount;

impl Function for ByCount {
    const NAME: &'static str = "by_count";
}

impl KeyBy for ByCount {
    type Record = (String, u64);
    type Key = u64;

    fn key(&mut self, (_, count): &(String, u64)) -> Result<u64, Failure> {
        Ok(*count)
    }
}

#[derive(clap::Args)]
struct Args {
    /// The text files.
    #[arg(required = true)]
    files: Vec<std::path::PathBuf>,
    /// How many words to show.
    #[arg(long, default_value_t = 20)]
    top: usize,
    /// How many letters a word has at least.
    #[arg(long, default_value_t = 4)]
    letters: usize,
}

fn main() -> ExitCode {
    // Executors are this program, too: they come by here, and know the same functions.
    program(register).main_with(count)
}

fn register(registry: &mut Registry) {
    registry.flat_map::<Words>().key_by::<ByCount>();
}

async fn count(context: Context, args: Args) -> Result<(), Box<dyn Error>> {
    let mut lines = Vec::new();
    for file in &args.files {
        let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        lines.extend(text.lines().map(str::to_owned));
    }
    let counts = context
        .parallelize(lines, 16)
        .flat_map(Words { letters: args.letters })
        .shuffle_into(4)
        .reduce_by_key(Sum::default())
        .cache();
    let different = counts.count().await?;
    let frequent = counts.key_by(ByCount).top(args.top).await?;
    let mut table = format!("{different} different words\n");
    for (count, (word, _)) in frequent {
        table += &format!("{count:>7} {word}\n");
    }
    print(&table)
}

fn print(text: &str) -> Result<(), Box<dyn Error>> {
    use std::io::Write;
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
