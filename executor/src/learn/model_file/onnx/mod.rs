//! Models as ONNX: the network alone, from features to the probability of each class.

mod message;

use prost::Message;

use super::{Model, ModelFault, TensorPlace, encode::json_of, tensors};
use crate::learn::Network;

/// The version of the format that is written.
const IR_VERSION: i64 = 8;
/// The version of the operators that is asked for.
const OPSET: i64 = 13;
/// What protobuf allows a message to be.
const MAX_BYTES: usize = (1 << 31) - 1;
/// What the header around the weights may take of it.
const HEADROOM: usize = 1 << 20;

const FEATURES: &str = "features";
const PROBABILITIES: &str = "probabilities";

impl Model {
    /// The bytes of the network as an ONNX model; the same model always gives the same bytes.
    ///
    /// It takes `features`, f32 of shape [batch, inputs], and gives `probabilities`, [batch, classes], in the order of the
    /// classes. What happens to a picture before that isn't part of it: `metadata_props` has `howdah.pipeline`, beside
    /// `howdah.classes` and `howdah.settings`.
    ///
    /// # Errors
    /// [`ModelFault`] if a part of the model doesn't fit the others, or it is larger than protobuf allows.
    pub fn to_onnx(&self) -> Result<Vec<u8>, ModelFault> {
        self.check()?;
        let metadata_props = vec![
            entry("howdah.classes", &self.classes)?,
            entry("howdah.pipeline", &self.pipeline)?,
            entry("howdah.settings", &self.settings)?,
        ];
        let around: usize = metadata_props.iter().map(Message::encoded_len).sum();
        let size = 4 * self.weights.len() + around + HEADROOM;
        if size > MAX_BYTES {
            return Err(ModelFault::TooLargeForOnnx { size, most: MAX_BYTES });
        }
        let model = message::Model {
            ir_version: IR_VERSION,
            producer_name: "howdah".into(),
            producer_version: howdah_proto::SOFTWARE_VERSION.into(),
            doc_string:
                "From features to the probability of each class; howdah.pipeline in the metadata says how \
                         pictures become features."
                    .into(),
            graph: Some(self.graph()),
            opset_import: vec![message::OperatorSet { domain: String::new(), version: OPSET }],
            metadata_props,
        };
        Ok(model.encode_to_vec())
    }

    fn graph(&self) -> message::Graph {
        message::Graph {
            node: nodes(&self.network),
            name: "howdah".into(),
            initializer: tensors(&self.network).map(|place| self.initializer(place)).collect(),
            input: vec![value(FEATURES, self.network.inputs())],
            output: vec![value(PROBABILITIES, self.network.classes())],
        }
    }

    fn initializer(&self, TensorPlace { name, shape, place }: TensorPlace) -> message::Tensor {
        message::Tensor {
            dims: shape.into_iter().map(size).collect(),
            data_type: message::FLOAT,
            name,
            raw_data: self.weights[place].iter().flat_map(|weight| weight.to_le_bytes()).collect(),
        }
    }
}

/// Dense layers with ReLU between them, then sigmoid or softmax; dropout does nothing outside training.
fn nodes(network: &Network) -> Vec<message::Node> {
    let (mut nodes, mut from) = (Vec::new(), FEATURES.to_owned());
    let last = network.layers().len().saturating_sub(1);
    for index in 0..=last {
        let to = if index == last { "logits".to_owned() } else { format!("layers.{index}.sums") };
        let inputs = [from, format!("layers.{index}.weight"), format!("layers.{index}.bias")];
        nodes.push(node("Gemm", inputs, &to, None));
        from = to;
        if index < last {
            let to = format!("layers.{index}.values");
            nodes.push(node("Relu", [from], &to, None));
            from = to;
        }
    }
    if network.outputs() == 1 {
        // The one logit is that of the second class; the first has the opposite.
        nodes.push(node("Neg", [from.clone()], "opposite", None));
        nodes.push(node("Concat", ["opposite".to_owned(), from], "both", Some(1)));
        nodes.push(node("Sigmoid", ["both".to_owned()], PROBABILITIES, None));
    } else {
        nodes.push(node("Softmax", [from], PROBABILITIES, Some(1)));
    }
    nodes
}

fn node<const N: usize>(
    operator: &str,
    input: [String; N],
    output: &str,
    axis: Option<i64>,
) -> message::Node {
    let axis = axis.map(|i| message::Attribute { name: "axis".into(), i, r#type: message::INT });
    message::Node {
        input: input.into(),
        output: vec![output.to_owned()],
        name: format!("{operator} to {output}"),
        op_type: operator.to_owned(),
        attribute: axis.into_iter().collect(),
    }
}

/// A matrix of as many rows as the caller likes.
fn value(name: &str, columns: usize) -> message::Value {
    let rows = message::Dimension { dim_value: None, dim_param: Some("batch".into()) };
    let columns = message::Dimension { dim_value: Some(size(columns)), dim_param: None };
    let shape = message::Shape { dim: vec![rows, columns] };
    let tensor = message::TensorType { elem_type: message::FLOAT, shape: Some(shape) };
    message::Value { name: name.to_owned(), r#type: Some(message::Type { tensor_type: Some(tensor) }) }
}

/// Sizes are bounded by `MAX_PARAMETERS`.
fn size(of: usize) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

fn entry(key: &'static str, value: &impl serde::Serialize) -> Result<message::Entry, ModelFault> {
    Ok(message::Entry { key: key.into(), value: json_of(key, value)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::model_file::tests::model;

    #[test]
    fn the_graph_names_every_value_before_it_is_used_and_has_all_weights() {
        let model = model();
        let read = message::Model::decode(model.to_onnx().unwrap().as_slice()).unwrap();
        let graph = read.graph.unwrap();
        let mut known: Vec<&str> = vec![FEATURES];
        known.extend(graph.initializer.iter().map(|tensor| tensor.name.as_str()));
        for node in &graph.node {
            for input in &node.input {
                assert!(known.contains(&input.as_str()), "{} is used by {} too early", input, node.name);
            }
            known.extend(node.output.iter().map(String::as_str));
        }
        assert_eq!(known.last(), Some(&PROBABILITIES));
        let flat: Vec<u8> = graph.initializer.iter().flat_map(|tensor| tensor.raw_data.clone()).collect();
        let expected: Vec<u8> = model.weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
        assert_eq!(flat, expected);
        assert_eq!(read.metadata_props[0].value, serde_json::to_string(&model.classes).unwrap());
    }

    #[test]
    fn parts_that_do_not_fit_are_not_exported() {
        let mut diverged = model();
        diverged.weights[0] = f32::INFINITY;
        assert!(matches!(diverged.to_onnx(), Err(ModelFault::NonFinite(_))));
        let mut short = model();
        short.weights.pop();
        assert!(matches!(short.to_onnx(), Err(ModelFault::Weights { .. })));
    }
}
