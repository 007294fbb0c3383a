use std::path::Path;

use howdah_executor::vision::pipeline::Preset;

use super::super::train;

/// Makes a place independent of the folder that the command runs in; a URL stays as it is, and so does what the driver
/// elsewhere must have, as it isn't here.
pub(super) fn independent(name: &str, text: String, is_remote: bool) -> String {
    let path = Path::new(&text);
    let is_place = match name {
        "snapshots" => true,
        "data" | "test" => !is_remote || path.exists() || is_pattern_here(path),
        "pipeline" => Preset::find(&text).is_none() && path.exists(),
        _ => false,
    };
    if is_place { train::absolute(&text) } else { text }
}

fn is_pattern_here(path: &Path) -> bool {
    let folder_is_here =
        || path.parent().is_some_and(|folder| folder.as_os_str().is_empty() || folder.is_dir());
    path.to_string_lossy().contains(['{', '*', '?']) && folder_is_here()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_do_not_depend_on_the_folder_of_the_command_and_urls_stay() {
        let here = std::env::current_dir().unwrap();
        let told = |name: &str, place: &str| independent(name, place.to_owned(), false);
        for (name, place) in [
            ("data", "shards/{000..017}.tar"),
            ("data", "no-such-folder"),
            ("test", "shards/held-out-*.tar"),
            ("snapshots", "saved"),
            ("pipeline", "Cargo.toml"),
        ] {
            assert_eq!(told(name, place), here.join(place).to_string_lossy(), "--{name}");
        }
        for (name, place) in [
            ("data", "s3://bucket/a-{0..9}.tar"),
            ("snapshots", "s3://bucket/run"),
            ("pipeline", "hog"),
            ("monitor", "loss"),
        ] {
            assert_eq!(told(name, place), place, "--{name}");
        }
    }

    #[test]
    fn what_only_a_driver_elsewhere_can_have_stays_as_it_is() {
        let told = |place: &str| independent("data", place.to_owned(), true);
        for place in ["no-such-folder", "no-such-folder/{0..9}.tar"] {
            assert_eq!(told(place), place);
        }
        for place in ["src", "src/*.tar"] {
            assert!(Path::new(&told(place)).is_absolute(), "{place}");
        }
    }
}
