//! Tests of the test helpers. If the browser opened nothing or the console were never
//! read, every other case could pass.

use anyhow::{Result, ensure};

use crate::browser;
use crate::server::PlainServer;

#[tokio::test]
async fn quiet_page_has_no_console_errors() -> Result<()> {
    let server = PlainServer::page("<!doctype html><title>Quiet</title><h1>Hello</h1>").await?;
    browser::with(async |page| {
        page.open(&server.url).await?;
        ensure!(page.text("h1").await? == "Hello");
        page.assert_no_console_errors().await?;
        let picture = browser::screenshots_dir().join("smoke.png");
        page.screenshot(&picture).await?;
        ensure!(picture.metadata()?.len() > 0, "the screenshot is empty");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn console_errors_are_found() -> Result<()> {
    let server = PlainServer::page(
        "<!doctype html><title>Loud</title><h1>Hello</h1>\
         <script>console.warn('careful'); console.error('broken')</script>",
    )
    .await?;
    browser::with(async |page| {
        page.open(&server.url).await?;
        let entries = page.console().await?;
        let errors: Vec<_> = entries.iter().filter(|entry| entry.is_error()).collect();
        ensure!(errors.len() == 1, "{entries:?}");
        ensure!(errors[0].message.contains("broken"), "{errors:?}");
        // Reading the console clears it.
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn uncaught_exceptions_are_console_errors() -> Result<()> {
    let server =
        PlainServer::page("<!doctype html><title>Thrown</title><script>throw 1</script>").await?;
    browser::with(async |page| {
        page.open(&server.url).await?;
        ensure!(page.assert_no_console_errors().await.is_err());
        Ok(())
    })
    .await
}
