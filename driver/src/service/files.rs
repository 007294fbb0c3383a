use std::pin::Pin;

use bytes::Bytes;
use futures::Stream;
use howdah_executor::source::{Library, ReadError};
use howdah_proto::{
    JobId,
    pb::{self, files_chunk::Part, files_server::Files},
    transport::CHUNK_BYTES,
};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::board::Board;

const MAX_INDEXES: usize = 4096;
const CHUNKS_AHEAD: usize = 8;

/// Serves the pictures of live jobs, and no other file: clients name places in the listing, never paths.
pub(super) struct FilesService {
    pub(super) board: Board,
}

#[tonic::async_trait]
impl Files for FilesService {
    type ReadStream = Pin<Box<dyn Stream<Item = Result<pb::FilesChunk, Status>> + Send>>;

    async fn read(&self, request: Request<pb::FilesRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let pb::FilesRequest { job_id, indexes } = request.into_inner();
        if indexes.len() > MAX_INDEXES {
            return Err(Status::invalid_argument(format!("at most {MAX_INDEXES} files at once")));
        }
        let entry = self.board.get(JobId(job_id)).filter(|entry| !entry.has_ended());
        let files = entry.as_ref().and_then(|entry| entry.files.get().cloned());
        let files =
            files.ok_or_else(|| Status::not_found(format!("job {job_id} has no pictures to read")))?;
        let wanted = indexes
            .into_iter()
            .map(|index| Some((index, files.get(index as usize)?.clone())))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| Status::invalid_argument(format!("job {job_id} has {} pictures", files.len())))?;
        let (chunks, stream) = mpsc::channel(CHUNKS_AHEAD);
        tokio::task::spawn_blocking(move || {
            let mut library = Library::new(Handle::try_current().ok());
            for (index, file) in wanted {
                let content = file.read(&mut library);
                if send(&chunks, index, content).is_none() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

/// Sends one file, or why it can't be read; none if there is no sense in sending more.
fn send(
    chunks: &mpsc::Sender<Result<pb::FilesChunk, Status>>,
    index: u32,
    content: Result<Bytes, ReadError>,
) -> Option<()> {
    let put = |part| chunks.blocking_send(Ok(pb::FilesChunk { part: Some(part) })).ok();
    match content {
        // No fault of the picture's: whoever asks tries again, instead of leaving it out.
        Err(error @ ReadError::Unanswered { .. }) => {
            chunks.blocking_send(Err(Status::unavailable(error.to_string()))).ok()?;
            None
        }
        Err(error) => {
            put(Part::Header(pb::FileHeader { index, bytes: 0 }))?;
            put(Part::Error(error.to_string()))
        }
        Ok(mut content) => {
            put(Part::Header(pb::FileHeader { index, bytes: content.len() as u64 }))?;
            while !content.is_empty() {
                let chunk = content.split_to(content.len().min(CHUNK_BYTES));
                put(Part::Data(chunk))?;
            }
            Some(())
        }
    }
}
