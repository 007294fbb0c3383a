use howdah_executor::learn::{Combine, Network, Summary, initial_weights};
use howdah_proto::{
    Epoch,
    event::{EpochReport, JobReport, Seconds},
    settings::Pipeline,
};

use super::*;
use crate::train::fixture::settings;

fn model(classes: &[&str]) -> Model {
    let settings = settings(2);
    let network = Network::new(&settings.network, 4, classes.len()).unwrap();
    let spec =
        |name: &str, params: serde_json::Value| OperatorSpec { name: name.to_owned(), version: 1, params };
    let long = "A".repeat(5000);
    let fitted = serde_json::json!({"epsilon": 0.5, "fitted": {"mean": long}});
    Model {
        weights: initial_weights(&network, 1),
        network,
        classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        pipeline: Pipeline::new(
            vec![spec("resize", serde_json::json!({"width": 16}))],
            vec![spec("standardise", fitted)],
        ),
        settings: serde_json::Value::Null,
    }
}

/// A run whose model finds 3 of 4 pictures of each class but the last, of which it finds none.
fn run(classes: &[&str]) -> RunMetrics {
    let mut summary = Summary::new(classes.len());
    for class in 0..classes.len() {
        for picture in 0..4 {
            let mut probabilities = vec![0.0; classes.len()];
            let wrong = picture == 0 || class + 1 == classes.len();
            probabilities[if wrong { (class + 1) % classes.len() } else { class }] = 1.0;
            summary.add(class as u32, &probabilities).unwrap();
        }
    }
    let report = JobReport {
        classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        epochs: vec![EpochReport { epoch: Epoch(2), ..EpochReport::default() }],
        best_epoch: None,
        test: summary.metrics(),
        validation: None,
        images_per_second: 1.0,
        batches: 8,
        shards: Vec::new(),
        parameters: 19,
        skipped_pictures: 1,
        task_retries: 0,
        executors_lost: 0,
        shards_lost: 0,
        snapshots: 0,
        seconds: Seconds::default(),
    };
    RunMetrics::new("my *run*", &settings(2).data, &report, 1.0, 2.0)
}

fn card(classes: &[&str], change: impl Fn(&mut RunMetrics, &mut TrainSettings)) -> String {
    card_of(classes, HeldOut::DecidedNothing, change)
}

fn card_of(
    classes: &[&str],
    held_out: HeldOut,
    change: impl Fn(&mut RunMetrics, &mut TrainSettings),
) -> String {
    let (model, mut run, mut settings) = (model(classes), run(classes), settings(2));
    change(&mut run, &mut settings);
    let counts = vec![7; classes.len()];
    let pictures = PictureCounts { train: counts.clone(), validation: Vec::new(), test: counts };
    Card { model: &model, settings: &settings, pictures: Some(&pictures), run: &run, held_out }.markdown()
}

#[test]
fn a_card_tells_of_data_pipeline_training_metrics_and_limits() {
    let card = card(&["cat", "dog"], |_, _| {});
    for part in [
        "# my \\*run\\*\n",
        "howdah-driver predict --model model.safetensors",
        "| cat | 7 | 7 |",
        "| all | 14 | 14 |",
        "1 pictures could not be used",
        "1. resize (version 1): \\{\\\"width\\\"\\:16\\}",
        "fitted to the training pictures",
        "| layers | 4 - 3 - 1 |",
        "| seed | 1 |",
        "\"epochs\": 2",
        "### On 8 held-out pictures",
        "| accuracy | 37.50 % | 13.7 to 69.4 % |",
        "| cat | 3 | 1 |",
        "- It finds 0.00 % of dog, fewer than of any other class.",
        "- 2 of 2 classes have fewer than 30 held-out pictures",
        "- Its probabilities are 62.50 % from how often it is right",
        "- It was trained on drawings",
    ] {
        assert!(card.contains(part), "no `{part}` in\n{card}");
    }
    assert!(!card.contains("AAAA"), "fitted parameters are no reading");
}

#[test]
fn names_of_classes_and_places_make_no_markup() {
    let place = |_: &mut RunMetrics, settings: &mut TrainSettings| {
        settings.data = DataSettings::Folder {
            train: "/data/<b>|x".into(),
            test: None,
            test_fraction: 0.2,
            classes: [("a`b".to_owned(), vec!["c_d_e".to_owned()])].into(),
            format: howdah_proto::settings::DataFormat::default(),
        };
    };
    let card = card(&["| # <script>", "new\nline"], place);
    assert!(card.contains("| \\| \\# \\<script\\> | 7 | 7 |"), "{card}");
    assert!(
        card.contains("/data/\\<b\\>\\|x; those held out") && card.contains("a\\`b is c\\_d\\_e."),
        "{card}"
    );
    assert!(!card.contains("<script>") && !card.contains("new\nline"), "{card}");
}

#[test]
fn many_classes_have_their_worst_confusions_instead_of_a_matrix() {
    let names: Vec<String> = (0..30).map(|class| format!("class {class}")).collect();
    let card = card(&names.iter().map(String::as_str).collect::<Vec<_>>(), |_, _| {});
    assert!(card.contains("| class 29 | class 0 | 4 of 4 |\n| class 0 | class 1 | 1 of 4 |"), "{card}");
    assert!(card.contains("| top-5 accuracy |") && !card.contains("Confusion matrix"), "{card}");
}

#[test]
fn without_held_out_pictures_a_card_says_that_nothing_is_known() {
    let card = card(&["cat", "dog"], |run, _| run.test = None);
    assert!(card.contains("No picture was held out") && !card.contains("It finds"), "{card}");
}

#[test]
fn a_card_tells_that_the_pictures_held_out_chose_the_settings() {
    let words = "chose the settings, among those of a search";
    let chosen = card_of(&["cat", "dog"], HeldOut::ChoseSettings, |_, _| {});
    assert!(chosen.contains(words), "{chosen}");
    assert!(!card(&["cat", "dog"], |_, _| {}).contains(words));
}

#[test]
fn the_card_of_an_ensemble_leads_to_those_of_its_models() {
    let model = model(&["cat", "d|g"]);
    let member = |place: u32, accuracy| Member {
        folder: format!("trials/{place:04}"),
        accuracy,
        loss: accuracy.map(|accuracy| 1.0 - accuracy),
        card: if place == 0 { OwnCard::There } else { OwnCard::Missing },
    };
    let members = [member(0, Some(0.75)), member(1, None)];
    let data = settings(2).data;
    let card = |combine, measured_on, members: &[Member]| {
        let card = EnsembleCard { name: "a*b", model: &model, combine, members, measured_on, data: &data };
        card.markdown()
    };
    let averaged = card(Combine::Average, MeasuredOn::HeldOut, &members);
    for part in [
        "# a\\*b\n",
        "apart: cat, d\\|g. 2 dense networks",
        "the mean of their probabilities",
        "| [trials/0000](<trials/0000/model.md>) | 75.00 % | 0.2500 |",
        "| trials/0001 | - | - |",
        "howdah-driver evaluate --model . --data pictures",
        "that none of them was trained on",
        "- It names one of its classes",
        "- It was trained on drawings",
    ] {
        assert!(averaged.contains(part), "no `{part}` in\n{averaged}");
    }
    let voted = card(Combine::Vote, MeasuredOn::OwnFold, &members);
    assert!(voted.contains("most of them take") && voted.contains("new to all of them"), "{voted}");
    let unmeasured = card(Combine::Vote, MeasuredOn::HeldOut, &members[1..]);
    assert!(unmeasured.contains("No picture was held out"), "{unmeasured}");
}

#[test]
fn a_card_of_a_fold_tells_which_it_was() {
    let fold = |settings: &mut TrainSettings| settings.selection.fold = Some("2/5".parse().unwrap());
    let drawn = card(&["cat", "dog"], |_, settings| fold(settings));
    assert!(drawn.contains("Held out is fold 2/5 of the training pictures."), "{drawn}");
    let stored = card(&["cat", "dog"], |_, settings| {
        fold(settings);
        settings.data = DataSettings::Folder {
            train: "/data".into(),
            test: Some("/held-out".into()),
            test_fraction: 0.2,
            classes: std::collections::BTreeMap::new(),
            format: howdah_proto::settings::DataFormat::default(),
        };
    });
    assert!(stored.contains("/data; held out is fold 2/5") && !stored.contains("/held-out"), "{stored}");
}
