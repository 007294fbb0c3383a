//! What the scheduler promises, rule by rule.

mod attempts;
mod dag;
mod exclusion;
mod sharing;
mod stragglers;
