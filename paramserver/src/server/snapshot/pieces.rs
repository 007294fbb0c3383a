use bytes::{Bytes, BytesMut};
use howdah_proto::transport::CHUNK_BYTES;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};

use crate::shard::Image;

/// How many pieces are ready before they are wanted.
const AHEAD: usize = 8;

/// Gives an image as bytes in pieces of at most [`CHUNK_BYTES`], and their SHA-256 after the last one.
///
/// The image is never in memory a second time.
pub(in crate::server) fn pieces(image: Image) -> (mpsc::Receiver<Bytes>, oneshot::Receiver<Vec<u8>>) {
    let (sender, pieces) = mpsc::channel(AHEAD);
    let (finish, checksum) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let mut hash = Sha256::new();
        let mut gathered = BytesMut::with_capacity(CHUNK_BYTES);
        // Nobody wants the rest once the receiver is gone, and `write` can't be stopped.
        let mut send = |piece: Bytes| {
            hash.update(&piece);
            let _wanted = sender.blocking_send(piece);
        };
        image.write(&mut |mut bytes| {
            while !bytes.is_empty() {
                let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - gathered.len()));
                gathered.extend_from_slice(now);
                bytes = later;
                if gathered.len() == CHUNK_BYTES {
                    send(std::mem::replace(&mut gathered, BytesMut::with_capacity(CHUNK_BYTES)).freeze());
                }
            }
        });
        if !gathered.is_empty() {
            send(gathered.freeze());
        }
        drop(sender);
        let _wanted = finish.send(hash.finalize().to_vec());
    });
    (pieces, checksum)
}
