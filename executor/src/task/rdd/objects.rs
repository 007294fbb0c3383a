use bytes::{Bytes, BytesMut};
use howdah_proto::{
    ContextId, ObjectId,
    pb::{self, object_chunk::Part, objects_client::ObjectsClient},
    transport::MESSAGE_LIMIT_BYTES,
};
use tokio::runtime::Handle;
use tonic::{Status, transport::Channel};

use crate::rdd::RddError;

/// Reads the objects of a context from the driver. It blocks the calling thread, which must not be one of the runtime.
pub(in crate::task) struct ObjectReader {
    driver: Channel,
    runtime: Handle,
    context: ContextId,
}

impl ObjectReader {
    pub(in crate::task) fn new(driver: Channel, runtime: Handle, context: ContextId) -> Self {
        Self { driver, runtime, context }
    }

    /// Reads an object.
    ///
    /// # Errors
    /// [`RddError::Driver`].
    pub(in crate::task) fn read(&self, object: ObjectId) -> Result<Bytes, RddError> {
        let refused = |reason: String| RddError::Driver { what: format!("object {object}"), reason };
        self.runtime
            .block_on(self.receive(object))
            .map_err(|status| refused(status.message().to_owned()))?
            .ok_or_else(|| refused("it came incomplete".to_owned()))
    }

    async fn receive(&self, object: ObjectId) -> Result<Option<Bytes>, Status> {
        let mut client =
            ObjectsClient::new(self.driver.clone()).max_decoding_message_size(MESSAGE_LIMIT_BYTES);
        let wanted = pb::ObjectRef { context_id: self.context.0, object_id: object.0 };
        let mut chunks = client.read(wanted).await?.into_inner();
        let mut announced = None;
        let mut content = BytesMut::new();
        while let Some(chunk) = chunks.message().await? {
            match (chunk.part, announced) {
                (Some(Part::Header(header)), None) => announced = Some(header.bytes),
                (Some(Part::Data(data)), Some(bytes)) if (content.len() + data.len()) as u64 <= bytes => {
                    content.extend_from_slice(&data);
                }
                _ => return Ok(None),
            }
        }
        Ok((announced == Some(content.len() as u64)).then(|| content.freeze()))
    }
}
