use howdah_proto::settings::{Fold, Selection};

/// Which of the training pictures are used.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Pictures")]
pub(in crate::cli) struct SelectionArgs {
    /// Hold out this fold of the training pictures, as 2/5 for the second of five, and leave the held-out pictures
    /// alone. Each fold has its share of every class.
    #[arg(long, value_name = "FOLD/FOLDS")]
    fold: Option<Fold>,
    /// Decides the order of the pictures instead of --seed: jobs of other seeds then share what is prepared.
    #[arg(long, value_name = "SEED")]
    data_seed: Option<u64>,
}

impl SelectionArgs {
    pub(super) fn selection(&self) -> Selection {
        Selection { fold: self.fold, seed: self.data_seed }
    }
}
