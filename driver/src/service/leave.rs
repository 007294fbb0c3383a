use crate::engine::{EngineHandle, Input};

/// Tells the engine when a client lets go of a stream, by being dropped with it.
pub(super) struct OnLeave {
    engine: EngineHandle,
    input: Option<Input>,
}

impl OnLeave {
    /// Hands `input` to the engine when this is dropped.
    pub(super) fn new(engine: &EngineHandle, input: Input) -> Self {
        Self { engine: engine.clone(), input: Some(input) }
    }

    /// Does nothing; a closure that calls it owns this.
    pub(super) fn hold(&self) {}
}

impl Drop for OnLeave {
    fn drop(&mut self) {
        let (engine, Some(input)) = (self.engine.clone(), self.input.take()) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // An engine that has stopped keeps nothing that could be let go.
                let _ = engine.send(input).await;
            });
        }
    }
}
