use std::sync::Arc;

use futures::{StreamExt, stream};
use howdah_proto::{
    BlockId, WireError,
    lineage::StoragePlace,
    pb::{
        self, block_chunk::Part, block_write::Part as WritePart, blocks_client::BlocksClient,
        storage_level::Place,
    },
};

use super::{
    chunks::chunks,
    peers::{PeerError, Peers, within},
};
use crate::{
    memory::Pin,
    store::{Assembled, Assembler, BlockStore, Filled, Frames, Taken},
};

const MESSAGE_BYTES: usize = 1 << 20;

/// Reads a block of batches from the executor at `address`, in memory while there is room and on disk otherwise.
/// The store gets it only if it is told so, by [`BlockStore::insert`].
///
/// # Errors
/// [`PeerError`].
pub async fn read_block(
    peers: &Peers,
    address: &str,
    id: BlockId,
    store: &BlockStore,
) -> Result<Filled, PeerError> {
    let read = receive(peers, address, id, store).await;
    read.inspect_err(|_| peers.forget(address))
}

async fn receive(peers: &Peers, address: &str, id: BlockId, store: &BlockStore) -> Result<Filled, PeerError> {
    let mut client =
        BlocksClient::new(peers.channel(address).await?).max_decoding_message_size(MESSAGE_BYTES);
    let mut chunks = within(client.read(pb::BlockId::from(id))).await??.into_inner();
    let first = within(chunks.message()).await??.and_then(|first| first.part);
    let Some(Part::Batches(header)) = first else {
        return Err(WireError::invalid("header", "the block is not one of batches").into());
    };
    let mut assembler = Assembler::new(header.bytes);
    let mut sink = store.sink(id, StoragePlace::MemoryAndDisk);
    while let Some(chunk) = within(chunks.message()).await?? {
        let Some(Part::Data(data)) = chunk.part else {
            return Err(WireError::invalid("part", "a block has one header").into());
        };
        assembler.push(&data)?;
        while let Assembled::Batch(batch) = assembler.next_frame()? {
            sink.push(&batch).map_err(|error| PeerError::Refused(error.to_string()))?;
        }
    }
    if !assembler.is_done() {
        return Err(PeerError::Refused("it stopped in the middle".to_owned()));
    }
    Ok(sink.finish())
}

/// Gives a second copy of a block to the executor at `address`; says whether it has room for it.
///
/// # Errors
/// [`PeerError`].
pub async fn write_block(
    peers: &Peers,
    address: &str,
    id: BlockId,
    place: StoragePlace,
    (frames, pin): (Arc<Frames>, Option<Pin>),
) -> Result<Taken, PeerError> {
    let bytes = frames.bytes();
    let header = pb::BlockWriteHeader { id: Some(id.into()), place: place_to_wire(place).into(), bytes };
    // A chunk that can't be read ends the stream early, and the peer refuses what is incomplete.
    let data = chunks(frames, 0..bytes, pin).filter_map(async |chunk| chunk.ok()).map(WritePart::Data);
    let parts = stream::iter([WritePart::Header(header)]).chain(data);
    let request = parts.map(|part| pb::BlockWrite { part: Some(part) });
    let mut client = BlocksClient::new(peers.channel(address).await?);
    let written = client.write(request).await.inspect_err(|_| peers.forget(address))?;
    Ok(if written.into_inner().stored { Taken::Yes } else { Taken::No })
}

fn place_to_wire(place: StoragePlace) -> Place {
    match place {
        StoragePlace::Memory => Place::Memory,
        StoragePlace::MemoryAndDisk => Place::MemoryAndDisk,
        StoragePlace::Disk => Place::Disk,
    }
}

/// Checks where a block is to be kept.
pub(super) fn place_from_wire(place: Place) -> Result<StoragePlace, WireError> {
    match place {
        Place::Memory => Ok(StoragePlace::Memory),
        Place::MemoryAndDisk => Ok(StoragePlace::MemoryAndDisk),
        Place::Disk => Ok(StoragePlace::Disk),
        Place::Unspecified => Err(WireError::Missing("place")),
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{ContextId, NodeId, Partition, pb::blocks_server::BlocksServer, transport};
    use tokio::net::TcpListener;
    use tokio_stream::wrappers::TcpListenerStream;

    use super::*;
    use crate::{
        memory::Memory,
        rdd::{Batch, Rows},
        service::BlocksService,
        store::{BlockContent, Scratch},
    };

    const ID: BlockId = BlockId { context: ContextId(1), node: NodeId(2), partition: Partition(3) };

    fn store(memory_bytes: u64) -> Arc<BlockStore> {
        BlockStore::new(&Memory::new(memory_bytes), &Scratch::new(None).unwrap())
    }

    async fn serve(store: &Arc<BlockStore>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let service = BlocksServer::new(BlocksService::new(Arc::clone(store)));
        let serving = transport::server().add_service(service);
        tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
        address
    }

    fn fill(store: &Arc<BlockStore>, place: StoragePlace) -> Vec<Batch> {
        let batches: Vec<Batch> = (0..20u8)
            .map(|number| {
                let mut batch = Batch::new();
                batch.push_pair(&[number], &[&[number; 100_000]]).unwrap();
                batch
            })
            .collect();
        let mut sink = store.sink(ID, place);
        batches.iter().for_each(|batch| assert_eq!(sink.push(batch).unwrap(), Taken::Yes));
        store.insert(ID, place, sink.finish());
        batches
    }

    fn batches(mut rows: impl Rows) -> Vec<Batch> {
        std::iter::from_fn(|| rows.next_batch().unwrap()).collect()
    }

    fn content(store: &BlockStore) -> (Arc<Frames>, Option<Pin>) {
        match store.content(ID) {
            Some(BlockContent::Batches(frames, pin)) => (frames, pin),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_block_is_read_from_the_memory_and_the_disk_of_a_peer() {
        for place in [StoragePlace::Memory, StoragePlace::Disk] {
            for memory_bytes in [1 << 30, 1 << 20] {
                let (theirs, ours) = (store(1 << 30), store(memory_bytes));
                let expected = fill(&theirs, place);
                let address = serve(&theirs).await;
                let filled = read_block(&Peers::default(), &address, ID, &ours).await.unwrap();
                assert_eq!(filled.frames.is_in_memory(), memory_bytes == 1 << 30);
                ours.insert(ID, StoragePlace::MemoryAndDisk, filled);
                assert!(batches(ours.rows(ID).unwrap()) == expected);
            }
        }
    }

    #[tokio::test]
    async fn a_second_copy_is_kept_where_there_is_room() {
        let (ours, theirs, small) = (store(1 << 30), store(1 << 30), store(1 << 20));
        let expected = fill(&ours, StoragePlace::Memory);
        let peers = Peers::default();
        let address = serve(&theirs).await;
        let written = write_block(&peers, &address, ID, StoragePlace::Memory, content(&ours)).await;
        assert_eq!(written.unwrap(), Taken::Yes);
        assert!(batches(theirs.rows(ID).unwrap()) == expected);
        let address = serve(&small).await;
        let written = write_block(&peers, &address, ID, StoragePlace::Memory, content(&ours)).await;
        assert_eq!(written.unwrap(), Taken::No);
        assert!(!small.contains(ID));
    }

    #[tokio::test]
    async fn a_block_that_is_not_what_was_announced_is_not_kept() {
        let theirs = store(1 << 30);
        let address = serve(&theirs).await;
        let part = |part| pb::BlockWrite { part: Some(part) };
        let header = |bytes| {
            part(WritePart::Header(pb::BlockWriteHeader {
                id: Some(ID.into()),
                place: Place::Memory.into(),
                bytes,
            }))
        };
        let data = |byte| part(WritePart::Data(vec![byte; 100].into()));
        let lies = [
            vec![],
            vec![data(0)],
            vec![header(100), header(100)],
            vec![header(200), data(0)],
            vec![header(99), data(0)],
            vec![header(u64::MAX), data(0xff)],
        ];
        let mut client = BlocksClient::new(Peers::default().channel(&address).await.unwrap());
        for lie in lies {
            assert!(client.write(stream::iter(lie.clone())).await.is_err(), "{lie:?}");
            assert!(!theirs.contains(ID));
        }
        let missing = read_block(&Peers::default(), &address, ID, &theirs).await;
        assert!(matches!(missing, Err(PeerError::Missing(_))), "{missing:?}");
    }
}
