use std::time::Duration;

use bytes::{Bytes, BytesMut};
use howdah_proto::{JobId, pb, transport::MESSAGE_LIMIT_BYTES};
use pb::files_chunk::Part;
use tonic::transport::Channel;

use super::{MAX_FILE_BYTES, SourceError};

const DEADLINE: Duration = Duration::from_secs(120);

/// Reads files from the driver, one result for each index, in their order.
pub(super) async fn read(
    driver: Channel,
    job: JobId,
    indexes: Vec<u32>,
) -> Result<Vec<Result<Bytes, String>>, SourceError> {
    let wanted = indexes.clone();
    tokio::time::timeout(DEADLINE, receive(driver, job, indexes, &wanted))
        .await
        .map_err(|_| SourceError(format!("no answer within {} s", DEADLINE.as_secs())))?
}

async fn receive(
    driver: Channel,
    job: JobId,
    indexes: Vec<u32>,
    wanted: &[u32],
) -> Result<Vec<Result<Bytes, String>>, SourceError> {
    let failed = |status: tonic::Status| SourceError(status.message().to_owned());
    let mut client =
        pb::files_client::FilesClient::new(driver).max_decoding_message_size(MESSAGE_LIMIT_BYTES);
    let request = pb::FilesRequest { job_id: job.0, indexes };
    let mut stream = client.read(request).await.map_err(failed)?.into_inner();
    let mut files = Assembly::new(wanted);
    while let Some(chunk) = stream.message().await.map_err(failed)? {
        files.take(chunk.part).map_err(SourceError)?;
    }
    files.finish().map_err(SourceError)
}

/// Puts files together from the parts that arrive; believes no announced length.
struct Assembly<'a> {
    wanted: &'a [u32],
    done: Vec<Result<Bytes, String>>,
    current: Option<(u64, BytesMut)>,
}

impl<'a> Assembly<'a> {
    fn new(wanted: &'a [u32]) -> Self {
        Self { wanted, done: Vec::with_capacity(wanted.len()), current: None }
    }

    fn take(&mut self, part: Option<Part>) -> Result<(), String> {
        match part.ok_or("an empty message")? {
            Part::Header(header) => {
                self.close();
                if self.wanted.get(self.done.len()) != Some(&header.index) {
                    return Err(format!("file {} was not asked for here", header.index));
                }
                if header.bytes > MAX_FILE_BYTES {
                    return Err(format!("file {} has {} bytes", header.index, header.bytes));
                }
                self.current = Some((header.bytes, BytesMut::new()));
            }
            Part::Data(data) => {
                let (bytes, content) = self.current.as_mut().ok_or("data before a header")?;
                if (content.len() + data.len()) as u64 > *bytes {
                    return Err("a file is longer than announced".to_owned());
                }
                content.extend_from_slice(&data);
            }
            Part::Error(reason) => {
                self.current = None;
                self.done.push(Err(reason));
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some((bytes, content)) = self.current.take() {
            let whole = content.len() as u64 == bytes;
            self.done.push(if whole { Ok(content.freeze()) } else { Err("it arrived cut short".to_owned()) });
        }
    }

    fn finish(mut self) -> Result<Vec<Result<Bytes, String>>, String> {
        self.close();
        if self.done.len() == self.wanted.len() {
            Ok(self.done)
        } else {
            Err(format!("{} of {} files arrived", self.done.len(), self.wanted.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(index: u32, bytes: u64) -> Option<Part> {
        Some(Part::Header(pb::FileHeader { index, bytes }))
    }

    fn data(text: &'static str) -> Option<Part> {
        Some(Part::Data(Bytes::from_static(text.as_bytes())))
    }

    fn assemble(parts: Vec<Option<Part>>) -> Result<Vec<Result<Bytes, String>>, String> {
        let mut files = Assembly::new(&[4, 7, 9]);
        parts.into_iter().try_for_each(|part| files.take(part))?;
        files.finish()
    }

    #[test]
    fn files_are_put_together_from_their_parts() {
        let gone = Some(Part::Error("gone".to_owned()));
        let parts = vec![header(4, 3), data("a"), data("bc"), header(7, 9), gone, header(9, 0)];
        let expected = vec![Ok(Bytes::from_static(b"abc")), Err("gone".to_owned()), Ok(Bytes::new())];
        assert_eq!(assemble(parts), Ok(expected));
    }

    #[test]
    fn a_lying_driver_is_not_believed() {
        for parts in [
            vec![data("a")],
            vec![None],
            vec![header(4, 1), data("ab")],
            vec![header(7, 1)],
            vec![header(4, u64::MAX)],
            vec![header(4, 0)],
        ] {
            assert!(assemble(parts.clone()).is_err(), "{parts:?}");
        }
        let short = assemble(vec![header(4, 2), data("a"), header(7, 0), header(9, 0)]).unwrap();
        assert!(short[0].is_err());
    }
}
