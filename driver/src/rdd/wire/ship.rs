use std::mem;

use howdah_proto::pb;
use prost::Message;

use super::Connection;
use crate::rdd::ContextError;

/// The most bytes of nodes that travel in one message.
const NODES_BYTES: usize = 4 << 20;

impl Connection {
    /// Sends nodes, but for the last ones, which go with the job.
    pub(in crate::rdd) async fn ship(&self, nodes: Vec<pb::Node>) -> Result<Vec<pb::Node>, ContextError> {
        let mut messages = cut(nodes, NODES_BYTES);
        let last = messages.pop().unwrap_or_default();
        for nodes in messages {
            self.define(nodes).await?;
        }
        Ok(last)
    }
}

/// Cuts nodes into messages of at most so many bytes, or of one node.
fn cut(nodes: Vec<pb::Node>, limit: usize) -> Vec<Vec<pb::Node>> {
    let mut messages = Vec::new();
    let (mut message, mut bytes) = (Vec::new(), 0);
    for node in nodes {
        let more = node.encoded_len();
        if bytes + more > limit && !message.is_empty() {
            messages.push(mem::take(&mut message));
            bytes = 0;
        }
        bytes += more;
        message.push(node);
    }
    messages.push(message);
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_nodes_are_cut_into_messages_in_order() {
        let nodes: Vec<pb::Node> = (1..6).map(|id| pb::Node { id, ..Default::default() }).collect();
        let ids = |limit| -> Vec<Vec<u32>> {
            let cut = cut(nodes.clone(), limit);
            cut.iter().map(|message| message.iter().map(|node| node.id).collect()).collect()
        };
        assert_eq!(ids(4), [vec![1, 2], vec![3, 4], vec![5]]);
        assert_eq!(ids(1), [[1], [2], [3], [4], [5]]);
        assert_eq!(ids(100), [[1, 2, 3, 4, 5]]);
    }
}
