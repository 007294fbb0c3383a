//! What the scheduler promises, rule by rule.

mod attempts;
mod dag;
