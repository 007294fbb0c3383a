//! Joins a log of requests with the users who made them, and adds up what each team was sent.
//!
//! ```text
//! cargo run --release --example log_join -- --executors 2
//! ```

use std::{error::Error, process::ExitCode};

use howdah_driver::rdd::{Accumulator, Context, Failure, FlatMap, Function, Map, Partitioner, Sum, program};
use serde::{Deserialize, Serialize};

/// Reads a line `USER BYTES`. Lines that are something else are counted and left out.
#[derive(Serialize, Deserialize)]
struct Request {
    unread: Accumulator<u64>,
}

impl Function for Request {
    const NAME: &'static str = "request";
}

impl FlatMap for Request {
    type Input = String;
    type Output = (u32, u64);

    fn flat_map(&mut self, line: String) -> Result<impl IntoIterator<Item = (u32, u64)>, Failure> {
        let read =
            line.split_once(' ').and_then(|(user, bytes)| Some((user.parse().ok()?, bytes.parse().ok()?)));
        if read.is_none() {
            self.unread.add(1);
        }
        Ok(read)
    }
}

/// Of a user's bytes and team, makes a pair by team.
#[derive(Serialize, Deserialize)]
struct ByTeam;

impl Function for ByTeam {
    const NAME: &'static str = "by_team";
}

impl Map for ByTeam {
    type Input = (u32, (u64, String));
    type Output = (String, u64);

    fn map(&mut self, (_, (bytes, team)): Self::Input) -> Result<Self::Output, Failure> {
        Ok((team, bytes))
    }
}

fn main() -> ExitCode {
    program(|registry| {
        registry.flat_map::<Request>().map::<ByTeam>();
    })
    .main(join)
}

async fn join(context: Context) -> Result<(), Box<dyn Error>> {
    let lines = (0..100_000u64).map(|line| match line % 1000 {
        0 => "a line that is cut o".to_owned(),
        _ => format!("{} {}", line % 97, line % 1500),
    });
    let teams = ["red", "green", "blue"];
    let users = (0..90u32).map(|user| (user, teams[user as usize % teams.len()].to_owned()));

    // Both are partitioned alike, so that the join finds its pairs in place.
    let by_user = Partitioner::hash(8);
    let unread = context.accumulator::<u64>();
    let requests = context.parallelize(lines, 16).flat_map(Request { unread });
    let sent = requests.partition_by(&by_user).reduce_by_key(Sum::default());
    let users = context.parallelize(users, 2).partition_by(&by_user);
    let by_team = sent.join(&users).map(ByTeam).shuffle_into(2).reduce_by_key(Sum::default());

    let mut table = by_team.explain().await?;
    for (team, bytes) in by_team.collect().await? {
        table += &format!("{team:>6} {bytes:>10} bytes\n");
    }
    let strangers = sent.subtract_by_key(&users).count().await?;
    table +=
        &format!("{strangers} users are in no team; lines that can't be read: {}\n", context.value(&unread));
    use std::io::Write;
    Ok(std::io::stdout().write_all(table.as_bytes())?)
}
