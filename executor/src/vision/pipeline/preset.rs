use howdah_proto::settings::Pipeline;

use super::{PipelineError, best, hog, seed};

/// A pipeline that has a name.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    pub(super) build: fn(&Changes) -> Result<Pipeline, Refused>,
}

/// All presets, a file for each.
pub const PRESETS: &[Preset] = &[seed::PRESET, hog::PRESET, best::PRESET];

/// What of a preset shall be otherwise; what is not given stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Changes {
    /// The pixels in width and height.
    pub size: Option<u32>,
    /// The standard deviation of the Gaussian denoising in pixels, 0 for none.
    pub denoise: Option<f32>,
    /// How training pictures are varied.
    pub augment: Option<Augment>,
}

/// How training pictures are varied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Augment {
    /// Not at all.
    None,
    /// By mirroring them.
    Flip,
    /// By mirroring them, and turning them by up to 10 degrees.
    FlipAndRotate,
}

/// Why a preset can't be changed so.
pub(super) struct Refused(pub(super) &'static str);

impl Preset {
    /// Finds a preset by its name.
    pub fn find(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// Makes the pipeline.
    ///
    /// # Errors
    /// [`PipelineError::Change`] if it can't be changed so.
    pub fn build(&self, changes: &Changes) -> Result<Pipeline, PipelineError> {
        (self.build)(changes).map_err(|Refused(reason)| PipelineError::Change { preset: self.name, reason })
    }
}
