use std::fmt::Write;

use howdah_proto::{
    NodeId,
    lineage::{Lineage, NodeKind},
};

use super::{
    Kept,
    lines::{Line, What, lines},
    words::{count, describe, level},
};

/// A chain of more nodes than this is shortened to its ends.
const LONG_RUN: usize = 24;
const RUN_HEAD: usize = 12;
const RUN_TAIL: usize = 6;

/// A drawing has at most so many lines.
const MOST_LINES: usize = 400;

/// Draws what a node is made of, stage by stage: the node first, what it is made of below it. Long lineages are shortened.
pub fn draw(lineage: &Lineage, node: NodeId, kept: &Kept) -> String {
    if lineage.get(node).is_none() {
        return format!("there is no node {node}\n");
    }
    let lines = lines(lineage, node);
    let mut text = String::new();
    let mut drawn = 0;
    for run in lines.chunk_by(|a, b| a.run == b.run) {
        let (head, hidden, tail) = shortened(run);
        for line in head {
            put(&mut text, &line.margin, &say(lineage, kept, line.what));
        }
        if let Some(line) = hidden.first() {
            put(&mut text, &line.margin, &format!("… {} more", hidden.len()));
        }
        for line in tail {
            put(&mut text, &line.margin, &say(lineage, kept, line.what));
        }
        drawn += run.len();
        if text.lines().nth(MOST_LINES).is_some() {
            let _ = writeln!(text, "… {} more lines", lines.len() - drawn);
            break;
        }
    }
    text
}

fn shortened(run: &[Line]) -> (&[Line], &[Line], &[Line]) {
    if run.len() <= LONG_RUN {
        return (run, &[], &[]);
    }
    let (head, rest) = run.split_at(RUN_HEAD);
    let (hidden, tail) = rest.split_at(rest.len() - RUN_TAIL);
    (head, hidden, tail)
}

fn put(text: &mut String, margin: &str, line: &str) {
    text.push_str(margin);
    text.push_str(line);
    text.push('\n');
}

fn say(lineage: &Lineage, kept: &Kept, what: What) -> String {
    match what {
        What::Node(id) => {
            let Some(node) = lineage.get(id) else { return format!("#{id}") };
            let mut line = format!("#{id} {}", describe(node));
            if let Some(how) = node.persist {
                let places = kept.blocks.get(&id).map(|places| format!(": {places}")).unwrap_or_default();
                // Writing to a string can't fail.
                let _ = write!(line, " [{}{places}]", level(how));
            }
            line
        }
        What::Again(id) => format!("#{id}, see above"),
        What::StageAgain(number) => format!("stage {number}, see above"),
        What::Stage { number, last, shuffle } => {
            let tasks = lineage.get(last).map_or(0, |node| node.partitions);
            let mut line = match lineage.source_of(last).map(|source| &source.kind) {
                // Its partitions are cut when the job runs.
                Some(NodeKind::Files) => format!("stage {number}"),
                _ => format!("stage {number}: {}", count(tasks, "task")),
            };
            if let Some(places) = shuffle.and_then(|shuffle| kept.outputs.get(&shuffle)) {
                let _ = write!(line, " [outputs: {places}]");
            }
            line
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::{Context, Direction, Registry, StorageLevel, Sum, explain::Places};

    fn drawn<T>(rdd: &crate::rdd::Rdd<T>, kept: &Kept) -> String {
        let lineage = rdd.context().graph().lineage().clone();
        draw(&lineage, rdd.plan().unwrap().node, kept)
    }

    #[tokio::test]
    async fn stages_are_drawn_below_the_shuffles_that_need_them() {
        let context = Context::detached(Registry::new());
        let numbers = context.parallelize([(1i64, 2i64)], 4).persist(StorageLevel::MEMORY.twice());
        let sums = numbers.shuffle_into(2).reduce_by_key(Sum::default()).values();
        let places = |at: &[(&str, u32)]| Places {
            of: 4,
            at: at.iter().map(|(name, partitions)| ((*name).to_owned(), *partitions)).collect(),
        };
        let kept = Kept {
            blocks: [(NodeId(0), places(&[("executor-1", 3), ("executor-2", 1)]))].into(),
            outputs: [(NodeId(1), places(&[]))].into(),
        };
        let expected = "\
stage 2: 2 tasks
#2 values
#1 shuffle into 2 partitions, by hash, sorted, merging with `sum_i64`
└─ stage 1: 4 tasks [outputs: none of 4]
   #0 collection [memory x2: 3 on executor-1, 1 on executor-2, of 4]
";
        assert_eq!(drawn(&sums, &kept), expected);
    }

    #[tokio::test]
    async fn what_is_used_twice_is_drawn_once() {
        let context = Context::detached(Registry::new());
        let pairs = context.parallelize([(1i64, 2i64)], 1);
        let joined = pairs.join(&pairs);
        let both = joined.zip(&pairs.keys());
        let expected = "\
stage 2: 1 task
#4 zip
├─ #2 join
│  ├─ #1 shuffle into 1 partition, by hash, sorted
│  │  └─ stage 1: 1 task
│  │     #0 collection
│  └─ #1, see above
└─ #3 keys
   #0, see above
";
        assert_eq!(drawn(&both, &Kept::default()), expected);
    }

    #[tokio::test]
    async fn a_sorted_rdd_says_so() {
        let context = Context::detached(Registry::new());
        let pairs = context.parallelize([(1i64, 2i64)], 1);
        let sorted = pairs.sort_by_key(Direction::Descending).await.unwrap();
        assert!(
            drawn(&sorted, &Kept::default())
                .contains("#1 shuffle into 1 partition, by range, sorted downwards")
        );
    }

    #[tokio::test]
    async fn a_lineage_of_a_hundred_thousand_nodes_is_shortened() {
        let context = Context::detached(Registry::new());
        let mut deep = context.range(0..9, 2);
        for _ in 0..100_000 {
            deep = deep.sample(crate::rdd::Replacement::Without, 1.0, 1);
        }
        let text = drawn(&deep, &Kept::default());
        assert!(text.contains("… 99983 more\n"), "{text}");
        assert!(text.ends_with("#0 range 0..9\n"), "{text}");
        let mut wide = context.range(0..9, 2);
        for _ in 0..50_000 {
            wide = wide.repartition(2);
        }
        let text = drawn(&wide, &Kept::default());
        assert!(text.lines().count() < 450 && text.contains("more lines"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() < 200));
    }
}
