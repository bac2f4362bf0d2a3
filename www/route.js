// Home or an experiment, by the address: asked before anything is shown.
document.documentElement.dataset.page = /^#\/[^?]/.test(location.hash) ? "experiment" : "home";
