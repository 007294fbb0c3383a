use super::{message, node, size};
use crate::learn::Combine;

const MEAN: &str = "mean";
const SHARES: &str = "shares";

/// What one answer is made of those of several models with: as [`Combine::combine`] does it.
pub(super) fn nodes(combine: Combine, answers: &[String], to: &str) -> Vec<message::Node> {
    match combine {
        Combine::Average => vec![node("Mean", answers.to_vec(), to, &[])],
        Combine::Vote => {
            let mut nodes = vec![node("Mean", answers.to_vec(), MEAN, &[])];
            let mut votes = Vec::with_capacity(answers.len());
            for answer in answers {
                let (class, vote) = (format!("{answer}.class"), format!("{answer}.vote"));
                // Of classes that are equally probable the last one has the vote.
                let ties = [("axis", 1), ("keepdims", 0), ("select_last_index", 1)];
                nodes.push(node("ArgMax", [answer.clone()], &class, &ties));
                let inputs = [class, "vote.classes".to_owned(), "vote.values".to_owned()];
                nodes.push(node("OneHot", inputs, &vote, &[("axis", -1)]));
                votes.push(vote);
            }
            nodes.push(node("Mean", votes, SHARES, &[]));
            let product = |name: &str, weight: &str| [name.to_owned(), weight.to_owned()];
            nodes.push(node("Mul", product(SHARES, "vote.weight"), "shares.weighed", &[]));
            nodes.push(node("Mul", product(MEAN, "mean.weight"), "mean.weighed", &[]));
            nodes.push(node("Add", product("shares.weighed", "mean.weighed"), to, &[]));
            nodes
        }
    }
}

/// The numbers that these nodes need.
pub(super) fn initializers(combine: Combine, models: usize, classes: usize) -> Vec<message::Tensor> {
    match combine {
        Combine::Average => Vec::new(),
        Combine::Vote => {
            let tie = Combine::tie_weight(models);
            vec![
                message::Tensor {
                    dims: Vec::new(),
                    data_type: message::INT64,
                    name: "vote.classes".to_owned(),
                    raw_data: size(classes).to_le_bytes().to_vec(),
                },
                numbers("vote.values", vec![2], &[0.0, 1.0]),
                numbers("vote.weight", Vec::new(), &[1.0 - tie]),
                numbers("mean.weight", Vec::new(), &[tie]),
            ]
        }
    }
}

fn numbers(name: &str, dims: Vec<i64>, values: &[f32]) -> message::Tensor {
    let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    message::Tensor { dims, data_type: message::FLOAT, name: name.to_owned(), raw_data }
}
