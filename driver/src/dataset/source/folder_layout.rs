use std::path::{Path, PathBuf};

use super::{
    folder::{subfolders, walk},
    own_split::{self, Depth, Layout},
};
use crate::dataset::DatasetError;

/// What the folders in a set's folder are.
pub(super) fn layout(root: &Path, folders: &[String]) -> Result<Layout, DatasetError> {
    if !own_split::may_be_split(folders.iter().map(String::as_str)) {
        return Ok(Layout::Classes);
    }
    let depth = |name: &String| Ok((name.clone(), depth(&root.join(name))?));
    let folders = folders.iter().map(depth).collect::<Result<_, DatasetError>>()?;
    own_split::layout(&folders).map_err(|half| DatasetError::half_split(&root.to_string_lossy(), half))
}

fn depth(folder: &Path) -> Result<Depth, DatasetError> {
    let below = subfolders(folder, &mut Vec::new())?;
    for name in below {
        if has_pictures(folder.join(name))? {
            return Ok(Depth::Folders);
        }
    }
    let mut files = Vec::new();
    walk(folder.to_owned(), "", 0, &mut Vec::new(), &mut files, &mut Vec::new())?;
    Ok(if files.is_empty() { Depth::Nothing } else { Depth::Pictures })
}

/// Whether there is a picture in a folder, or in one below it.
fn has_pictures(folder: PathBuf) -> Result<bool, DatasetError> {
    let (mut open, mut files) = (vec![(folder, String::new())], Vec::new());
    while let Some((folder, relative)) = open.pop() {
        walk(folder, &relative, 0, &mut open, &mut files, &mut Vec::new())?;
        if !files.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
