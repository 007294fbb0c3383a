//! Carries out studies: several trainings that share a cluster, in a folder from which they can be gone on with.

mod given;
mod run;
mod show;
mod table;
mod trial;

pub(super) use given::{Given, parse, searchable};
pub(super) use run::{Keep, Run, Site, quoted};
