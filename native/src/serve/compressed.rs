//! Compressed versions of the page's files, which the bundle writes beside them.
//!
//! A compressed file has the modification time of its source. If the times differ, the
//! source has changed since, and the compressed file is not sent.

use axum::http::Uri;
use percent_encoding::percent_decode_str;
use std::{
    path::{Component, Path, PathBuf},
    time::SystemTime,
};
use tokio::fs;
use tower_http::services::ServeDir;

/// Returns the page's folder for one request, with those encodings that are fresh.
pub(super) async fn folder(www: &Path, uri: &Uri) -> ServeDir {
    let mut folder = ServeDir::new(www);
    let Some(source) = source_of(www, uri) else {
        return folder;
    };
    let time = modified(&source).await;
    if time.is_none() {
        return folder;
    }
    if modified(&with_suffix(&source, ".br")).await == time {
        folder = folder.precompressed_br();
    }
    if modified(&with_suffix(&source, ".gz")).await == time {
        folder = folder.precompressed_gzip();
    }
    folder
}

/// Returns the path of the requested file, which may not exist.
fn source_of(www: &Path, uri: &Uri) -> Option<PathBuf> {
    let path = percent_decode_str(uri.path()).decode_utf8().ok()?;
    let name = Path::new(path.trim_start_matches('/'));
    let is_normal = |part: Component<'_>| matches!(part, Component::Normal(_));
    name.components().all(is_normal).then(|| {
        let file = www.join(name);
        if path.ends_with('/') {
            file.join("index.html")
        } else {
            file
        }
    })
}

async fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).await.ok()?.modified().ok()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
