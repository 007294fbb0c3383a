//! What `predict` and `evaluate` share: models, where it computes, and what is seen of that.

use std::{io, io::IsTerminal, ops::ControlFlow, path::Path, sync::Arc};

use futures::Stream;
use howdah_executor::{
    inference::{Classifier, ModelFiles, PictureRef},
    rdd::Registry,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{CliError, models::ModelArgs, out, train};
use crate::{
    inference::{self, Backend, Classified, Ensemble, Here, InputError, OnCluster},
    local::{LocalOptions, Placement, Restart},
};

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ClusterArgs {
    /// Classify on so many executor processes that are started for this, instead of in this process on all cores. The
    /// results are the same; a process that dies, as of a picture that takes too much memory, is started again, and what
    /// it had goes elsewhere.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    executors: Option<u32>,
    /// Classify on the executors of the driver at this address, like http://10.0.0.1:7077. They read the pictures
    /// themselves; those that they can't see are sent to them.
    #[arg(long, value_name = "URL", conflicts_with = "executors")]
    driver: Option<String>,
}

/// Models that this build can use.
pub(super) struct Classification {
    files: ModelFiles,
    classifier: Arc<Classifier>,
    registry: Registry,
}

/// Takes the results of a chunk, in order.
pub(super) trait Take:
    FnMut(Vec<(PictureRef, Classified)>) -> Result<ControlFlow<()>, CliError>
{
}

impl<F: FnMut(Vec<(PictureRef, Classified)>) -> Result<ControlFlow<()>, CliError>> Take for F {}

impl Classification {
    /// Reads models.
    pub(super) fn load(models: &ModelArgs, registry: Registry) -> Result<Self, CliError> {
        let Ensemble { models, files } = models.load()?;
        let runtime = Some(Handle::current());
        let classifier = Classifier::new(models, files.combine, Arc::new(registry.clone()), runtime)?;
        Ok(Self { files, classifier: Arc::new(classifier), registry })
    }

    /// The names of its classes.
    pub(super) fn classes(&self) -> &[String] {
        self.classifier.classes()
    }

    /// Classifies what `chunks` gives in chunks of so many pictures, where the flags say. Ctrl-C ends it, and the cluster
    /// that was started for it.
    pub(super) async fn run<S: Stream<Item = Result<Vec<PictureRef>, InputError>>>(
        &self,
        place: &ClusterArgs,
        chunks: impl FnOnce(usize) -> io::Result<S>,
        interrupted: &CancellationToken,
        take: impl Take,
    ) -> Result<(), CliError> {
        if let Some(driver) = &place.driver {
            return until(interrupted, self.on_cluster(driver, chunks, take)).await;
        }
        let Some(executors) = place.executors else {
            let here = Here::new(self.classifier.clone());
            return until(interrupted, flow(&here, chunks, take)).await;
        };
        // It goes with its logs when the cluster has ended.
        let folder = tempfile::Builder::new().prefix("howdah-").tempdir()?;
        let options = self.options(executors, folder.path());
        let cluster = train::start_cluster(options, interrupted).await?;
        let done = until(interrupted, self.on_cluster(&cluster.url(), chunks, take)).await;
        cluster.shutdown().await;
        done
    }

    async fn on_cluster<S: Stream<Item = Result<Vec<PictureRef>, InputError>>>(
        &self,
        driver: &str,
        chunks: impl FnOnce(usize) -> io::Result<S>,
        take: impl Take,
    ) -> Result<(), CliError> {
        let cluster = OnCluster::new(driver.to_owned(), self.registry.clone(), self.files.clone());
        cluster.connect().await?;
        flow(&cluster, chunks, take).await
    }

    fn options(&self, executors: u32, folder: &Path) -> LocalOptions {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        LocalOptions {
            executors,
            paramservers: 0,
            slots: (cores / executors).max(1),
            threads: 1,
            memory_bytes: None,
            restart: Restart::Always,
            folder: folder.to_owned(),
            registry: self.registry.clone(),
            placement: Placement::Processes,
            pools: Vec::new(),
        }
    }
}

async fn flow<S: Stream<Item = Result<Vec<PictureRef>, InputError>>>(
    backend: &dyn Backend,
    chunks: impl FnOnce(usize) -> io::Result<S>,
    take: impl Take,
) -> Result<(), CliError> {
    let chunks = chunks(backend.chunk_pictures())?;
    inference::classify(chunks, backend, take).await
}

async fn until(
    interrupted: &CancellationToken,
    work: impl Future<Output = Result<(), CliError>>,
) -> Result<(), CliError> {
    tokio::select! {
        done = work => done,
        () = interrupted.cancelled() => Err(CliError::Interrupted),
    }
}

/// How many pictures that can't be classified are named.
const NAMED: usize = 100;

/// What a person sees meanwhile, on standard error: a bar, and pictures that can't be classified.
pub(super) struct Progress {
    bar: ProgressBar,
    /// Whether results are on the same screen.
    on_screen: bool,
    done: usize,
    failed: usize,
}

impl Progress {
    /// Begins, with the number of pictures if that is known. `to_stdout` says whether results go there.
    pub(super) fn new(total: Option<u64>, to_stdout: bool) -> Self {
        let on_screen = to_stdout && io::stdout().is_terminal();
        let target = if on_screen { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(total, target);
        let template = match total {
            Some(_) => "{prefix:14} {bar:40} {pos}/{len} pictures {per_sec}, {eta} left",
            None => "{prefix:14} {spinner} {pos} pictures {per_sec}, {elapsed}",
        };
        // A template that indicatif can't read would leave its own style in place.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix("classify");
        Self { bar, on_screen, done: 0, failed: 0 }
    }

    /// Names a picture that can't be classified.
    pub(super) fn failed(&mut self, picture: &str, reason: &str) {
        self.failed += 1;
        // Where rows with the reason are on the same screen, once is enough.
        if self.on_screen || self.failed > NAMED + 1 {
            return;
        }
        let text = match self.failed {
            ..=NAMED => format!("{picture}: {reason}"),
            _ => "and more".to_owned(),
        };
        self.bar.suspend(|| out::complain(&text));
    }

    /// Counts pictures that are done, well or not.
    pub(super) fn done(&mut self, pictures: usize) {
        self.done += pictures;
        self.bar.inc(pictures as u64);
    }

    /// Takes the bar away, and says how many pictures could not be classified.
    pub(super) fn finish(self) -> Result<(), CliError> {
        self.bar.finish_and_clear();
        if self.done == 0 {
            out::complain("there was no picture to classify");
        }
        match self.failed {
            0 => Ok(()),
            failed => Err(CliError::Pictures { failed, all: self.done }),
        }
    }
}
