use std::collections::BTreeSet;

use howdah_proto::{JobId, NodeId, lineage::Lineage, pb};

use super::{CliError, out, train};
use crate::{
    client::Client,
    rdd::explain::{Kept, draw},
    scheduler::Millis,
    train::TrainJob,
};

/// Show what is computed from what, in which stages, and what is kept where.
///
/// With --driver it shows the live contexts of programs and the training jobs of a cluster; without it, what a
/// training with the given flags would compute.
#[derive(Debug, clap::Args)]
// The flags of `train` are a group of the same name.
#[group(skip)]
#[command(after_help = "Examples:\n  howdah-driver explain --driver http://127.0.0.1:7077\n  \
                        howdah-driver explain --augment none\n\n\
                        A program shows one of its RDDs with `rdd.explain().await`.")]
pub(super) struct Args {
    #[command(flatten)]
    train: train::Args,
    /// Only this context or job.
    #[arg(long, value_name = "ID", requires = "driver")]
    context: Option<u64>,
}

/// An RDD is drawn if no other is made of it; so many of a context at most, the newest first.
const MOST_DRAWN: usize = 10;

/// Explains.
pub(super) async fn run(args: &Args) -> Result<(), CliError> {
    let Some(driver) = &args.train.driver else {
        let settings = args.train.settings()?;
        let (job, _) = TrainJob::new(JobId(1), settings, Millis(0));
        let lineage = job.lineage();
        let last = NodeId(lineage.len().saturating_sub(1) as u32);
        out::say(draw(lineage, last, &Kept::default()).trim_end());
        return Ok(());
    };
    let contexts = Client::connect(driver).await?.describe(args.context).await?.contexts;
    if contexts.is_empty() {
        out::say("there is no context and no training job");
    }
    for context in contexts {
        out::say(&describe(&context)?);
    }
    Ok(())
}

fn describe(context: &pb::ContextDescription) -> Result<String, CliError> {
    let lineage = Lineage::try_from(context.lineage.clone().unwrap_or_default())?;
    let nodes = (0..lineage.len() as u32).map(NodeId);
    let parents: BTreeSet<NodeId> =
        nodes.clone().filter_map(|id| lineage.get(id)).flat_map(|node| node.parents.clone()).collect();
    let last: Vec<NodeId> = nodes.rev().filter(|node| !parents.contains(node)).collect();
    let kept = Kept::from(context);
    let mut text = format!("context {} ({})\n", context.context_id, context.name);
    for node in last.iter().take(MOST_DRAWN) {
        text.push('\n');
        text.push_str(&draw(&lineage, *node, &kept));
    }
    if last.len() > MOST_DRAWN {
        text.push_str(&format!("\nand {} more, older ones\n", last.len() - MOST_DRAWN));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{Kind, lineage};

    #[test]
    fn each_rdd_that_no_other_is_made_of_is_drawn() {
        let lineage = lineage(&[(Kind::Source, &[]), (Kind::Shuffled, &[0]), (Kind::Narrow, &[0])]);
        let context = pb::ContextDescription {
            context_id: 7,
            name: "trial".to_owned(),
            lineage: Some((&lineage).into()),
            ..Default::default()
        };
        let text = describe(&context).unwrap();
        assert!(text.starts_with("context 7 (trial)\n\n"), "{text}");
        let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("no `{what}` in {text}"));
        assert!(place("#2 ") < place("#1 shuffle"), "{text}");
    }
}
