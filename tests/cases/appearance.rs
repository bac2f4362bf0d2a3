//! Browser display settings: colour scheme, motion and width.

use anyhow::Result;
use serde_json::{Value, json};

use crate::browser::Page;
use crate::console::Cdp;
use crate::driver::BrowserKind;
use crate::experiment::wait_until;
use crate::firefox;

/// The narrowest supported screen, in CSS pixels.
pub(crate) const NARROW_WIDTH: u32 = 320;

/// The width of a desktop screen, in CSS pixels.
pub(crate) const DESKTOP_WIDTH: u32 = 1280;

/// The user's preferences and screen width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Appearance {
    /// Prefers a dark colour scheme.
    pub(crate) is_dark: bool,
    /// Prefers reduced motion.
    pub(crate) has_reduced_motion: bool,
    /// Width in CSS pixels.
    pub(crate) width: u32,
    /// Height in CSS pixels. Firefox keeps its window's height.
    pub(crate) height: u32,
}

impl Appearance {
    /// The default settings.
    pub(crate) const DEFAULT: Self = Self {
        is_dark: false,
        has_reduced_motion: false,
        width: DESKTOP_WIDTH,
        height: 900,
    };

    /// The page shows the end of a run at once.
    pub(crate) const REDUCED_MOTION: Self = Self {
        has_reduced_motion: true,
        ..Self::DEFAULT
    };

    /// Applies these settings to the browser.
    pub(crate) async fn apply(self, page: &Page) -> Result<()> {
        match page.kind {
            BrowserKind::Chrome => self.apply_to_chrome(page).await?,
            BrowserKind::Firefox => self.apply_to_firefox(page).await?,
        }
        let media_matches =
            |feature: &str, it: bool| format!("matchMedia('({feature})').matches === {it}");
        wait_until(
            page,
            &media_matches("prefers-color-scheme: dark", self.is_dark),
        )
        .await?;
        wait_until(
            page,
            &media_matches("prefers-reduced-motion: reduce", self.has_reduced_motion),
        )
        .await?;
        wait_until(page, &format!("innerWidth === {}", self.width)).await
    }

    fn scheme(self) -> &'static str {
        if self.is_dark { "dark" } else { "light" }
    }

    async fn apply_to_chrome(self, page: &Page) -> Result<()> {
        let motion = if self.has_reduced_motion {
            "reduce"
        } else {
            "no-preference"
        };
        let media = json!({ "features": [
            { "name": "prefers-color-scheme", "value": self.scheme() },
            { "name": "prefers-reduced-motion", "value": motion },
        ]});
        page.client
            .issue_cmd(Cdp("Emulation.setEmulatedMedia", media))
            .await?;
        let size = json!({
            "width": self.width, "height": self.height, "deviceScaleFactor": 1, "mobile": false,
        });
        let size = Cdp("Emulation.setDeviceMetricsOverride", size);
        page.client.issue_cmd(size).await?;
        Ok(())
    }

    async fn apply_to_firefox(self, page: &Page) -> Result<()> {
        const SCRIPT: &str = "
            const [scheme, reducedMotion, width] = arguments;
            Services.prefs.setIntPref('layout.css.prefers-color-scheme.content-override', scheme);
            Services.prefs.setIntPref('ui.prefersReducedMotion', reducedMotion);
            gBrowser.selectedBrowser.style = `min-width: ${width}px; max-width: ${width}px`;";
        let scheme = u8::from(!self.is_dark);
        let arguments = [
            scheme.into(),
            u8::from(self.has_reduced_motion).into(),
            Value::from(self.width),
        ];
        firefox::run_privileged(&page.client, SCRIPT, arguments.to_vec()).await?;
        Ok(())
    }
}
