// Chooses home or experiment before anything is shown.
document.documentElement.dataset.page = /^#\/[^?]/.test(location.hash) ? "experiment" : "home";
