use super::{
    super::{Model, TensorPlace, tensors},
    message, node, size,
};

/// A network in a graph: where its features come from, where its probabilities go, and what its own names begin with.
pub(super) struct Part<'a> {
    pub(super) model: &'a Model,
    pub(super) features: &'a str,
    pub(super) probabilities: &'a str,
    pub(super) prefix: &'a str,
}

impl Part<'_> {
    /// Dense layers with ReLU between them, then sigmoid or softmax; dropout does nothing outside training.
    pub(super) fn nodes(&self) -> Vec<message::Node> {
        let (network, own) = (&self.model.network, |name: &str| format!("{}{name}", self.prefix));
        let (mut nodes, mut from) = (Vec::new(), self.features.to_owned());
        let last = network.layers().len().saturating_sub(1);
        for index in 0..=last {
            let to = own(&if index == last { "logits".to_owned() } else { format!("layers.{index}.sums") });
            let inputs = [from, own(&format!("layers.{index}.weight")), own(&format!("layers.{index}.bias"))];
            nodes.push(node("Gemm", inputs, &to, &[]));
            from = to;
            if index < last {
                let to = own(&format!("layers.{index}.values"));
                nodes.push(node("Relu", [from], &to, &[]));
                from = to;
            }
        }
        if network.outputs() == 1 {
            // The one logit is that of the second class; the first has the opposite.
            let (opposite, both) = (own("opposite"), own("both"));
            nodes.push(node("Neg", [from.clone()], &opposite, &[]));
            nodes.push(node("Concat", [opposite, from], &both, &[("axis", 1)]));
            nodes.push(node("Sigmoid", [both], self.probabilities, &[]));
        } else {
            nodes.push(node("Softmax", [from], self.probabilities, &[("axis", 1)]));
        }
        nodes
    }

    /// The weights.
    pub(super) fn initializers(&self) -> impl Iterator<Item = message::Tensor> {
        tensors(&self.model.network).map(|TensorPlace { name, shape, place }| message::Tensor {
            dims: shape.into_iter().map(size).collect(),
            data_type: message::FLOAT,
            name: format!("{}{name}", self.prefix),
            raw_data: self.model.weights[place].iter().flat_map(|weight| weight.to_le_bytes()).collect(),
        })
    }
}
