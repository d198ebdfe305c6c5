//! Uploads one file: `upload FILE URL KEY`. What bench/upload measures; credentials come from the provider's chain.

use std::error::Error;
use std::path::Path;
use stores::{StoreSettings, open};
use vault::storage::{LocalFolder, Storage};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, url, key] = arguments.as_slice() else { return Err("upload FILE URL KEY".into()) };
    let path = Path::new(file);
    let folder = LocalFolder::new(path.parent().unwrap_or(Path::new(".")));
    let object = folder.open(&path.file_name().ok_or("no file")?.to_string_lossy())?;
    let storage = open(&StoreSettings { url: url.clone(), ..StoreSettings::default() })?;
    Ok(storage.upload(key, object.as_ref())?)
}
