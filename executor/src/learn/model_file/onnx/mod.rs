//! Models as ONNX: the networks alone, from features to the probability of each class.

mod combine;
mod message;
mod network;

use howdah_proto::settings::Pipeline;
use prost::Message;

use super::{Model, ModelFault, encode::json_of};
use crate::learn::Combine;
use network::Part;

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

/// The bytes of the networks of models that answer as one, as an ONNX model; the same models always give the same bytes.
///
/// It takes `features`, f32 of shape [batch, inputs], and gives `probabilities`, [batch, classes], in the order of the
/// classes. Where the pipelines of the models differ, each of them has an input: `features.0` and so on. What happens to
/// a picture before that isn't part of it: `metadata_props` has `howdah.classes`; of one model `howdah.pipeline` and
/// `howdah.settings`; of several `howdah.combine`, `howdah.pipelines`, in the order of the inputs, and
/// `howdah.members`, the settings of each.
///
/// # Errors
/// [`ModelFault`] if a part of a model doesn't fit the others, the models have other classes than each other or there is
/// none, or they are larger than protobuf allows.
pub fn to_onnx(models: &[Model], combine: Combine) -> Result<Vec<u8>, ModelFault> {
    let first = models.first().ok_or(ModelFault::NotAlike)?;
    models.iter().try_for_each(Model::check)?;
    if models.iter().any(|model| model.classes != first.classes) {
        return Err(ModelFault::NotAlike);
    }
    let inputs = Inputs::of(models);
    let mut metadata_props = vec![entry("howdah.classes", &first.classes)?];
    if models.len() == 1 {
        metadata_props.push(entry("howdah.pipeline", &first.pipeline)?);
        metadata_props.push(entry("howdah.settings", &first.settings)?);
    } else {
        let members: Vec<_> = models.iter().map(|model| &model.settings).collect();
        metadata_props.push(entry("howdah.combine", &combine)?);
        metadata_props.push(entry("howdah.pipelines", &inputs.pipelines())?);
        metadata_props.push(entry("howdah.members", &members)?);
    }
    let around: usize = metadata_props.iter().map(Message::encoded_len).sum();
    let weights: usize = models.iter().map(|model| 4 * model.weights.len()).sum();
    let size = weights.saturating_add(around).saturating_add(HEADROOM.saturating_mul(models.len()));
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
        graph: Some(graph(models, combine, &inputs)),
        opset_import: vec![message::OperatorSet { domain: String::new(), version: OPSET }],
        metadata_props,
    };
    Ok(model.encode_to_vec())
}

/// The inputs of the graph, as the first model that takes each.
struct Inputs<'a>(Vec<&'a Model>);

impl<'a> Inputs<'a> {
    fn of(models: &'a [Model]) -> Self {
        let mut inputs = Self(Vec::new());
        for model in models {
            if inputs.place(model).is_none() {
                inputs.0.push(model);
            }
        }
        inputs
    }

    /// Which of them a model takes.
    fn place(&self, model: &Model) -> Option<usize> {
        let width = model.network.inputs();
        self.0.iter().position(|known| known.pipeline == model.pipeline && known.network.inputs() == width)
    }

    fn name(&self, place: usize) -> String {
        if self.0.len() == 1 { FEATURES.to_owned() } else { format!("{FEATURES}.{place}") }
    }

    fn pipelines(&self) -> Vec<&'a Pipeline> {
        self.0.iter().map(|model| &model.pipeline).collect()
    }

    fn values(&self) -> Vec<message::Value> {
        let places = self.0.iter().enumerate();
        places.map(|(place, model)| value(&self.name(place), model.network.inputs())).collect()
    }
}

fn graph(models: &[Model], combine: Combine, inputs: &Inputs<'_>) -> message::Graph {
    let classes = models.first().map_or(0, |model| model.network.classes());
    let (mut nodes, mut initializers, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for (index, model) in models.iter().enumerate() {
        let prefix = if models.len() == 1 { String::new() } else { format!("models.{index}.") };
        let answer = format!("{prefix}{PROBABILITIES}");
        let features = inputs.name(inputs.place(model).unwrap_or_default());
        let part = Part { model, features: &features, probabilities: &answer, prefix: &prefix };
        nodes.extend(part.nodes());
        initializers.extend(part.initializers());
        answers.push(answer);
    }
    if models.len() > 1 {
        nodes.extend(combine::nodes(combine, &answers, PROBABILITIES));
        initializers.extend(combine::initializers(combine, models.len(), classes));
    }
    message::Graph {
        node: nodes,
        name: "howdah".into(),
        initializer: initializers,
        input: inputs.values(),
        output: vec![value(PROBABILITIES, classes)],
    }
}

fn node(
    operator: &str,
    input: impl Into<Vec<String>>,
    output: &str,
    attributes: &[(&str, i64)],
) -> message::Node {
    let attribute = |(name, i): &(&str, i64)| message::Attribute {
        name: (*name).to_owned(),
        i: *i,
        r#type: message::INT,
    };
    message::Node {
        input: input.into(),
        output: vec![output.to_owned()],
        name: format!("{operator} to {output}"),
        op_type: operator.to_owned(),
        attribute: attributes.iter().map(attribute).collect(),
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

    /// Checks that every value is named before it is used; gives the graph.
    fn ordered(bytes: &[u8]) -> message::Graph {
        let graph = message::Model::decode(bytes).unwrap().graph.unwrap();
        let mut known: Vec<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
        known.extend(graph.initializer.iter().map(|tensor| tensor.name.as_str()));
        for node in &graph.node {
            for input in &node.input {
                assert!(known.contains(&input.as_str()), "{} is used by {} too early", input, node.name);
            }
            for output in &node.output {
                assert!(!known.contains(&output.as_str()), "{output} is computed twice");
                known.push(output);
            }
        }
        assert_eq!(known.last(), Some(&PROBABILITIES));
        graph
    }

    #[test]
    fn the_graph_names_every_value_before_it_is_used_and_has_all_weights() {
        let model = model();
        let bytes = to_onnx(std::slice::from_ref(&model), Combine::Average).unwrap();
        let graph = ordered(&bytes);
        let flat: Vec<u8> = graph.initializer.iter().flat_map(|tensor| tensor.raw_data.clone()).collect();
        let expected: Vec<u8> = model.weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
        assert_eq!(flat, expected);
        let read = message::Model::decode(bytes.as_slice()).unwrap();
        assert_eq!(read.metadata_props[0].value, serde_json::to_string(&model.classes).unwrap());
    }

    #[test]
    fn models_share_an_input_if_they_have_the_same_pipeline() {
        let other = Model { pipeline: Pipeline { prepare: Vec::new(), ..model().pipeline }, ..model() };
        for combine in [Combine::Average, Combine::Vote] {
            let names = |models: &[Model]| {
                let graph = ordered(&to_onnx(models, combine).unwrap());
                graph.input.into_iter().map(|input| input.name).collect::<Vec<_>>()
            };
            assert_eq!(names(&[model(), model()]), ["features"]);
            assert_eq!(names(&[model(), other.clone(), model()]), ["features.0", "features.1"]);
        }
    }

    #[test]
    fn models_of_other_classes_are_not_exported_together() {
        let mut other = model();
        other.classes.reverse();
        assert!(matches!(to_onnx(&[model(), other], Combine::Average), Err(ModelFault::NotAlike)));
        assert!(matches!(to_onnx(&[], Combine::Average), Err(ModelFault::NotAlike)));
    }

    #[test]
    fn parts_that_do_not_fit_are_not_exported() {
        let export = |model: Model| to_onnx(&[model], Combine::Average);
        let mut diverged = model();
        diverged.weights[0] = f32::INFINITY;
        assert!(matches!(export(diverged), Err(ModelFault::NonFinite(_))));
        let mut short = model();
        short.weights.pop();
        assert!(matches!(export(short), Err(ModelFault::Weights { .. })));
    }
}
