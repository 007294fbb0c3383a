use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use howdah_proto::{
    NodeId,
    lineage::{Lineage, NodeKind},
};

/// Branches are indented up to this depth.
const DEEPEST: u32 = 24;

/// A line of a drawing.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// What stands before it.
    pub(super) margin: Rc<str>,
    pub(super) what: What,
    /// Lines of one chain of nodes without a branch have the same number.
    pub(super) run: usize,
}

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Node(NodeId),
    /// The node stands above already, with all it is made of.
    Again(NodeId),
    /// The beginning of the stage that ends with this node; for a shuffle, if there is one.
    Stage {
        number: usize,
        last: NodeId,
        shuffle: Option<NodeId>,
    },
    /// The stage stands above already.
    StageAgain(usize),
}

/// A node to draw next.
struct Branch {
    node: NodeId,
    /// Before its first line.
    head: Rc<str>,
    /// Before the others.
    margin: Rc<str>,
    depth: u32,
    /// The stage that begins here, and its shuffle.
    stage: Option<(usize, Option<NodeId>)>,
}

/// Lists the lines of a drawing, depth first, with no recursion.
pub(super) fn lines(lineage: &Lineage, node: NodeId) -> Vec<Line> {
    let stages = stages(lineage, node);
    let bare: Rc<str> = "".into();
    let last = (stages.len() + 1, None);
    let mut open = vec![Branch { node, head: bare.clone(), margin: bare, depth: 0, stage: Some(last) }];
    let (mut seen, mut lines) = (BTreeSet::new(), Vec::<Line>::new());
    let mut run = 0;
    while let Some(Branch { node, head, margin, depth, stage }) = open.pop() {
        run += 1;
        let mut margin_now = head;
        let mut say = |what, run| {
            let margin = std::mem::replace(&mut margin_now, margin.clone());
            lines.push(Line { margin, what, run });
        };
        if let Some((number, shuffle)) = stage {
            if shuffle.is_some() && seen.contains(&node) {
                say(What::StageAgain(number), run);
                continue;
            }
            say(What::Stage { number, last: node, shuffle }, run);
            run += 1;
        }
        let mut next = Some(node);
        while let Some(id) = next.take() {
            if !seen.insert(id) {
                say(What::Again(id), run);
                break;
            }
            say(What::Node(id), run);
            let Some(node) = lineage.get(id) else { break };
            let wide = matches!(node.kind, NodeKind::Shuffle(_));
            match &node.parents[..] {
                [parent] if !wide => next = Some(*parent),
                parents => {
                    let stage = wide.then(|| (stages.get(&id).copied().unwrap_or_default(), Some(id)));
                    let end = parents.len().saturating_sub(1);
                    let branches = parents.iter().enumerate().rev().map(|(place, parent)| {
                        let (corner, bar) =
                            if place == end { ("└─ ", "   ") } else { ("├─ ", "│  ") };
                        let head = format!("{margin}{corner}").into();
                        let margin =
                            if depth < DEEPEST { format!("{margin}{bar}").into() } else { margin.clone() };
                        Branch { node: *parent, head, margin, depth: depth + 1, stage }
                    });
                    open.extend(branches);
                }
            }
        }
    }
    lines
}

/// Numbers the stages that end in shuffles. A shuffle comes after those that it needs, and so do ids.
fn stages(lineage: &Lineage, node: NodeId) -> BTreeMap<NodeId, usize> {
    let (mut seen, mut open, mut shuffles) = (BTreeSet::from([node]), vec![node], BTreeSet::new());
    while let Some(id) = open.pop() {
        let Some(node) = lineage.get(id) else { continue };
        if matches!(node.kind, NodeKind::Shuffle(_)) {
            shuffles.insert(id);
        }
        open.extend(node.parents.iter().filter(|parent| seen.insert(**parent)));
    }
    shuffles.into_iter().zip(1..).collect()
}
