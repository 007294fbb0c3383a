use std::ops::Range;

use howdah_proto::settings::NetworkSettings;
use serde::{Deserialize, Serialize};

/// The most parameters a network may have: 8 GiB of weights.
pub const MAX_PARAMETERS: usize = 1 << 31;

/// Where a dense layer stands in the flat parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Values that come in.
    pub inputs: usize,
    /// Values that go out.
    pub outputs: usize,
    /// The weights, shape [inputs, outputs], row-major.
    pub weight: Range<usize>,
    /// The biases, shape `[outputs]`, right after the weights.
    pub bias: Range<usize>,
}

impl Layer {
    /// Whether the layer reads the features themselves.
    pub fn is_first(&self) -> bool {
        self.weight.start == 0
    }
}

/// The shape of a dense network: ReLU after every hidden layer, then dropout; logits at the end.
///
/// Its parameters are one flat buffer of f32: per layer the weights, then the biases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Shape", into = "Shape")]
pub struct Network {
    shape: Shape,
    layers: Vec<Layer>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    inputs: usize,
    hidden: Vec<usize>,
    outputs: usize,
    dropout: f32,
    #[serde(default)]
    input_dropout: f32,
}

/// A network that can't be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NetworkError {
    /// Fewer than two classes.
    #[error("a classifier needs at least 2 classes, not {0}")]
    Classes(usize),
    /// A layer with nothing in it.
    #[error("layer {layer} of the network would have {inputs} inputs and {outputs} outputs")]
    EmptyLayer {
        /// The layer, counted from 0.
        layer: usize,
        /// Its inputs.
        inputs: usize,
        /// Its outputs.
        outputs: usize,
    },
    /// Too many parameters.
    #[error(
        "the network {inputs}-{hidden:?}-{outputs} has more than {MAX_PARAMETERS} parameters: make the pictures \
         or the hidden layers smaller"
    )]
    TooLarge {
        /// The features of a sample.
        inputs: usize,
        /// The widths of the hidden layers.
        hidden: Vec<usize>,
        /// The logits.
        outputs: usize,
    },
    /// A dropout that leaves nothing or makes no sense.
    #[error("a dropout of {0} makes no sense: it must be at least 0 and below 1")]
    Dropout(f32),
}

impl Network {
    /// Makes the network that takes `features` values and tells `classes` classes apart.
    ///
    /// Two classes need one logit, more need one each.
    ///
    /// # Errors
    /// [`NetworkError`] if a size is 0, the dropout makes no sense, or it has more than [`MAX_PARAMETERS`].
    pub fn new(settings: &NetworkSettings, features: usize, classes: usize) -> Result<Self, NetworkError> {
        if classes < 2 {
            return Err(NetworkError::Classes(classes));
        }
        Self::try_from(Shape {
            inputs: features,
            hidden: settings.hidden.iter().map(|&units| units as usize).collect(),
            outputs: if classes == 2 { 1 } else { classes },
            dropout: settings.dropout,
            input_dropout: settings.input_dropout,
        })
    }

    /// The features of a sample.
    pub fn inputs(&self) -> usize {
        self.shape.inputs
    }

    /// The logits: 1 for two classes, else one per class.
    pub fn outputs(&self) -> usize {
        self.shape.outputs
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.shape.outputs.max(2)
    }

    /// The fraction of hidden units that are dropped in training.
    pub fn dropout(&self) -> f32 {
        self.shape.dropout
    }

    /// The fraction of features that are dropped in training.
    pub fn input_dropout(&self) -> f32 {
        self.shape.input_dropout
    }

    /// The layers, input side first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The number of parameters.
    pub fn parameters(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.bias.end)
    }
}

impl TryFrom<Shape> for Network {
    type Error = NetworkError;

    fn try_from(shape: Shape) -> Result<Self, NetworkError> {
        if let Some(rate) =
            [shape.dropout, shape.input_dropout].into_iter().find(|rate| !(0.0..1.0).contains(rate))
        {
            return Err(NetworkError::Dropout(rate));
        }
        let (mut layers, mut start, mut inputs) = (Vec::new(), 0, shape.inputs);
        for &outputs in shape.hidden.iter().chain([&shape.outputs]) {
            if inputs == 0 || outputs == 0 {
                return Err(NetworkError::EmptyLayer { layer: layers.len(), inputs, outputs });
            }
            let layer = place(start, inputs, outputs).ok_or_else(|| NetworkError::TooLarge {
                inputs: shape.inputs,
                hidden: shape.hidden.clone(),
                outputs: shape.outputs,
            })?;
            start = layer.bias.end;
            inputs = outputs;
            layers.push(layer);
        }
        Ok(Self { shape, layers })
    }
}

impl From<Network> for Shape {
    fn from(network: Network) -> Self {
        network.shape
    }
}

/// Puts a layer at `start` of the flat parameters; none if it goes past the limit.
fn place(start: usize, inputs: usize, outputs: usize) -> Option<Layer> {
    let middle = start.checked_add(inputs.checked_mul(outputs)?)?;
    let end = middle.checked_add(outputs)?;
    (end <= MAX_PARAMETERS).then_some(Layer { inputs, outputs, weight: start..middle, bias: middle..end })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(hidden: &[u32]) -> NetworkSettings {
        NetworkSettings { hidden: hidden.to_vec(), dropout: 0.3, input_dropout: 0.0 }
    }

    #[test]
    fn layers_follow_each_other_without_a_gap() {
        let network = Network::new(&settings(&[256, 128]), 16_384, 2).unwrap();
        assert_eq!(network.parameters(), 4_227_585);
        assert_eq!(network.outputs(), 1);
        let mut end = 0;
        for layer in network.layers() {
            assert_eq!((layer.weight.start, layer.weight.end), (end, layer.bias.start));
            assert_eq!(layer.weight.len(), layer.inputs * layer.outputs);
            assert_eq!(layer.bias.len(), layer.outputs);
            end = layer.bias.end;
        }
        assert_eq!(end, network.parameters());
    }

    #[test]
    fn more_than_two_classes_get_a_logit_each() {
        let network = Network::new(&settings(&[]), 10, 3).unwrap();
        assert_eq!((network.outputs(), network.classes(), network.layers().len()), (3, 3, 1));
    }

    #[test]
    fn sizes_that_make_no_sense_are_refused() {
        assert_eq!(Network::new(&settings(&[4]), 10, 1), Err(NetworkError::Classes(1)));
        assert!(matches!(
            Network::new(&settings(&[4]), 0, 2),
            Err(NetworkError::EmptyLayer { layer: 0, .. })
        ));
        assert!(matches!(Network::new(&settings(&[0]), 4, 2), Err(NetworkError::EmptyLayer { .. })));
        for (features, hidden) in [(usize::MAX, 2), (1 << 31, 1), (1 << 20, 1 << 20), (usize::MAX / 2, 3)] {
            let made = Network::new(&settings(&[hidden]), features, 2);
            assert!(matches!(made, Err(NetworkError::TooLarge { .. })), "{features} {hidden}");
        }
        let dropped = NetworkSettings { dropout: 1.0, ..NetworkSettings::default() };
        assert_eq!(Network::new(&dropped, 4, 2), Err(NetworkError::Dropout(1.0)));
    }

    #[test]
    fn json_that_describes_no_network_is_refused() {
        let network = Network::new(&settings(&[5]), 3, 2).unwrap();
        let json = serde_json::to_string(&network).unwrap();
        assert_eq!(serde_json::from_str::<Network>(&json).unwrap(), network);
        let lie = r#"{"inputs":4294967296,"hidden":[4294967296],"outputs":1,"dropout":0.0}"#;
        assert!(serde_json::from_str::<Network>(lie).is_err());
    }
}
