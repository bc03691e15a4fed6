(() => {
  const players = [];
  const clock = (seconds) => {
    const tenths = Math.round(seconds * 10), minutes = Math.floor(tenths / 600), hours = Math.floor(minutes / 60);
    const tail = `${String(Math.floor((tenths % 600) / 10)).padStart(2, "0")}.${tenths % 10}`;
    return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
  };
  const build = (box) => {
    const audio = box.querySelector("audio"), lane = box.querySelector(".lane"), scroll = box.querySelector(".scroll");
    const head = box.querySelector(".head"), time = box.querySelector(".time b");
    const timed = [...box.querySelectorAll(".segment[data-start], .row[data-start]")];
    const duration = Number(box.dataset.duration);
    let until = null, zoom = 1, frame = 0;

    const draw = () => {
      const now = Math.min(audio.currentTime, duration);
      head.style.left = `${(100 * now) / duration}%`;
      time.textContent = clock(now);
      lane.setAttribute("aria-valuenow", now.toFixed(1));
      timed.forEach((part) => part.classList.toggle("now", now > 0 && now >= part.dataset.start && now < part.dataset.end));
      if (zoom > 1 && !audio.paused) {
        const place = (lane.scrollWidth * now) / duration;
        if (place < scroll.scrollLeft || place > scroll.scrollLeft + scroll.clientWidth) {
          scroll.scrollLeft = place - scroll.clientWidth / 8;
        }
      }
    };
    const run = () => {
      if (until !== null && audio.currentTime >= until) { audio.pause(); until = null; }
      draw();
      frame = audio.paused ? 0 : requestAnimationFrame(run);
    };
    const stop = () => { audio.pause(); };
    const play = (from = null, to = null) => {
      players.forEach((other) => { if (other.box !== box) other.stop(); });
      until = to;
      if (from !== null) audio.currentTime = from;
      else if (audio.currentTime >= duration - 0.05) audio.currentTime = 0;
      audio.play().catch(trouble);
    };
    const trouble = (error) => { if (!error || error.name !== "AbortError") box.querySelector(".trouble").hidden = false; };
    const toggle = () => (audio.paused ? play() : stop());
    const seek = (to) => { until = null; audio.currentTime = Math.min(Math.max(to, 0), duration); draw(); };

    audio.addEventListener("play", () => { box.classList.add("playing"); if (!frame) run(); });
    audio.addEventListener("pause", () => { box.classList.remove("playing"); draw(); });
    audio.addEventListener("seeked", draw);
    audio.addEventListener("error", () => trouble(null));
    box.querySelector(".play").addEventListener("click", toggle);
    lane.addEventListener("click", (event) => {
      const segment = event.target.closest(".segment");
      if (segment) { play(Number(segment.dataset.start), Number(segment.dataset.end)); return; }
      const place = lane.getBoundingClientRect();
      seek(((event.clientX - place.left) / place.width) * duration);
    });
    lane.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
      if (event.key === " ") toggle();
      else if (event.key === "Home") seek(0);
      else if (event.key === "End") seek(duration);
      else if (move) seek(audio.currentTime + move);
      else return;
      event.preventDefault();
    });
    box.querySelectorAll(".row").forEach((row) => row.addEventListener("click", () => {
      play(Number(row.dataset.start), Number(row.dataset.end));
    }));
    box.querySelectorAll(".zoom").forEach((button) => button.addEventListener("click", () => {
      const middle = (scroll.scrollLeft + scroll.clientWidth / 2) / lane.scrollWidth;
      zoom = Math.min(Math.max(zoom * Number(button.dataset.by), 1), 64);
      lane.style.setProperty("--zoom", zoom);
      scroll.scrollLeft = middle * lane.scrollWidth - scroll.clientWidth / 2;
    }));
    return { box, stop };
  };
  document.querySelectorAll(".recording").forEach((box) => players.push(build(box)));
})();
