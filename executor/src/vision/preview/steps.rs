use howdah_proto::{Epoch, lineage::OperatorSpec, settings::Pipeline};

use super::{PreviewError, Shown, canvas::Canvas, draw, glyphs};
use crate::{
    rdd::{
        AnyOperator, Function, Operator, OperatorError, Picture, PictureMeta, Record, RecordContext,
        Registry, Spare,
    },
    vision::{Describe, Part, pipeline::check},
};

/// How many variants of an augmented picture are shown.
const VARIANTS: u32 = 3;

/// What a picture looks like after a step.
pub(super) struct Tile {
    pub(super) title: String,
    pub(super) canvas: Canvas,
}

/// The steps of a pipeline, one after the other.
pub(super) struct Steps {
    steps: Vec<Step>,
    seed: u64,
    spare: Spare,
}

/// What is shown together.
enum Step {
    /// An operator.
    One { name: String, operator: Box<dyn AnyOperator> },
    /// Operators that augment, one right after the other.
    Augment { title: String, operators: Vec<Box<dyn AnyOperator>> },
    /// Features of several kinds: each alone, and what makes them all.
    Describe { parts: Vec<Describe>, all: Box<dyn AnyOperator> },
}

/// The tiles of a picture, or why it can't be used.
type Tiles = Result<Vec<Tile>, String>;

impl Steps {
    pub(super) fn new(pipeline: &Pipeline, registry: &Registry, seed: u64) -> Result<Self, PreviewError> {
        check(pipeline, registry)?;
        let mut steps = Vec::new();
        for spec in pipeline.prepare.iter().chain(&pipeline.feed) {
            // It has been checked, so it can be built.
            let Ok(operator) = registry.build(spec) else { continue };
            match (steps.last_mut(), parts(spec)) {
                (Some(Step::Augment { title, operators }), _) if operator.augments() => {
                    *title = format!("{title} + {}", spec.name);
                    operators.push(operator);
                }
                _ if operator.augments() => {
                    steps.push(Step::Augment { title: spec.name.clone(), operators: vec![operator] });
                }
                (_, Some(parts)) => steps.push(Step::Describe { parts, all: operator }),
                _ => steps.push(Step::One { name: spec.name.clone(), operator }),
            }
        }
        Ok(Self { steps, seed, spare: Spare::default() })
    }

    /// Shows a picture after each step; the outer error is the pipeline's, the inner one the picture's.
    pub(super) fn tiles(&mut self, key: u64, shown: &Shown) -> Result<Tiles, PreviewError> {
        let meta = PictureMeta { key, label: 0 };
        let mut record = Record::Encoded { meta, bytes: shown.bytes.clone() };
        let (mut tiles, mut width) = (Vec::new(), 1);
        for step in &mut self.steps {
            match step.show(record, self.seed, &mut width, &mut self.spare, &mut tiles) {
                Ok(next) => record = next,
                // What follows needs what was found in a training.
                Err(OperatorError::Unfitted(_)) => break,
                Err(error) => return Ok(Err(error.to_string())),
            }
        }
        Ok(Ok(tiles))
    }
}

/// Each part of a `describe` alone.
fn parts(spec: &OperatorSpec) -> Option<Vec<Describe>> {
    let describe: Describe = serde_json::from_value(spec.params.clone()).ok()?;
    (spec.name == Describe::NAME)
        .then(|| describe.parts.into_iter().map(|part| Describe { parts: vec![part] }).collect())
}

impl Step {
    /// Adds the tiles of a record, and gives what follows. `width` is that of the last picture's rows in numbers.
    fn show(
        &mut self,
        record: Record,
        seed: u64,
        width: &mut usize,
        spare: &mut Spare,
        tiles: &mut Vec<Tile>,
    ) -> Result<Record, OperatorError> {
        match self {
            Self::One { name, operator } => {
                let record = operator.apply(record, &RecordContext::PLAIN, spare)?;
                let canvas = match &record {
                    Record::Picture { picture, .. } => {
                        *width = (picture.width * picture.channels) as usize;
                        draw::picture(picture)?
                    }
                    Record::Features { values, .. } if values.len() % *width == 0 => {
                        draw::gray(values, *width)
                    }
                    Record::Features { values, .. } => draw::signed(values, values.len().isqrt()),
                    Record::Encoded { .. } => return Ok(record),
                };
                tiles.push(Tile { title: name.clone(), canvas });
                Ok(record)
            }
            Self::Augment { title, operators } => {
                for variant in 1..=VARIANTS {
                    let context = RecordContext::augmented(seed, Epoch(variant));
                    let mut varied = spare.copy(&record);
                    for operator in operators.iter_mut() {
                        varied = operator.apply(varied, &context, spare)?;
                    }
                    if let Record::Picture { picture, .. } = &varied {
                        let canvas = draw::picture(picture)?;
                        tiles.push(Tile { title: format!("{title} {variant}"), canvas });
                    }
                }
                Ok(record)
            }
            Self::Describe { parts, all } => {
                if let Record::Picture { picture, .. } = &record {
                    for part in parts {
                        tiles.extend(part_tile(part, picture, spare)?);
                    }
                }
                *width = usize::MAX;
                all.apply(record, &RecordContext::PLAIN, spare)
            }
        }
    }
}

/// Shows the features of one kind; none if they are yet to be fitted.
fn part_tile(
    describe: &mut Describe,
    picture: &Picture,
    spare: &mut Spare,
) -> Result<Option<Tile>, OperatorError> {
    let meta = PictureMeta { key: 0, label: 0 };
    let record = Record::Picture { meta, picture: picture.clone() };
    let values = match Operator::apply(describe, record, &RecordContext::PLAIN, spare) {
        Ok(Record::Features { values, .. }) => values,
        Ok(_) | Err(OperatorError::Unfitted(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let tile = |title: String, canvas| Some(Tile { title, canvas });
    Ok(match describe.parts.first() {
        Some(Part::Hog(hog)) => {
            let across = (picture.width / hog.cell.max(1)).saturating_sub(1) as usize;
            tile(format!("hog {}", hog.cell), glyphs::gradients(&values, across))
        }
        Some(Part::ColorGrid(grid)) => {
            tile(format!("colors {0}x{0}", grid.cells), glyphs::colors(&values, grid.cells as usize))
        }
        Some(Part::Fisher(fisher)) => {
            let row = values.len() / (2 * fisher.components.max(1) as usize);
            tile(format!("fisher {}", fisher.components), draw::signed(&values, row))
        }
        Some(Part::Pixels(_)) => tile("pixels".to_owned(), draw::picture(picture)?),
        None => None,
    })
}
