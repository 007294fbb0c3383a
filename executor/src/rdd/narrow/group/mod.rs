//! The records of each key together: merges of rows that are sorted by key, in the memory of one key's values.

mod cursor;
mod join;
mod keys;
mod lists;
mod subtract;
#[cfg(test)]
mod tests;

use howdah_proto::{NodeId, lineage::Group};

pub use cursor::KeyOrder;

use self::{cursor::Cursors, join::Join, keys::Keys, lists::Lists, subtract::Subtract};
use crate::rdd::Rows;

/// Brings the records of each key together. All `parents` are sorted by key in the same order.
pub fn group(group: Group, node: NodeId, order: KeyOrder, parents: Vec<Box<dyn Rows>>) -> Box<dyn Rows> {
    let cursors = Cursors::new(node, order, parents);
    match group {
        Group::Values | Group::Cogroup => Box::new(Lists::new(cursors)),
        Group::Distinct | Group::Intersection => Box::new(Keys::new(cursors)),
        Group::InnerJoin => Box::new(Join::new(cursors, false, false)),
        Group::LeftOuterJoin => Box::new(Join::new(cursors, false, true)),
        Group::RightOuterJoin => Box::new(Join::new(cursors, true, false)),
        Group::FullOuterJoin => Box::new(Join::new(cursors, true, true)),
        Group::Subtract => Box::new(Subtract::new(cursors)),
    }
}
