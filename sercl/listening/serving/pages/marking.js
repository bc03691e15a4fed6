// Marking parts of a recording: a picture of the sound with regions (wavesurfer.js), and beside it a list with the same
// parts, which is what keyboards and screen readers use. The list is what counts; the picture follows it.

import WaveSurfer from './vendor/wavesurfer.esm.js';
import RegionsPlugin from './vendor/regions.esm.js';

const STEP = 0.05;
const NEW = 1;

const round = (value) => Math.round(value * 1000) / 1000;

export function marker({ audio, peaks, item, about, text, label, make, button, nonce }) {
  const answers = about.answers;
  const picture = make('div', { class: 'picture', 'aria-hidden': 'true' });
  const list = make('ol', { class: 'parts' });
  const empty = make('p', { class: 'soft' }, text('no_parts'));
  const add = button(text('add_part'), () => insert(free_place()), { class: 'quiet' });
  const element = make('section', { class: 'marking', 'aria-label': text('mark') },
    make('p', { class: 'soft' }, text('mark_help'), ' ', make('span', { class: 'keys' }, text('mark_keys'))), picture, list, empty, make('div', {}, add));
  let parts = [];
  let waves = null;
  let regions = null;
  let own = false;
  let until = null;

  function colour(answer, opacity) {
    const place = answers.indexOf(answer);
    return place < 0 ? `hsl(0 0% 50% / ${opacity})` : `hsl(${(place * 360) / answers.length + 20} 65% 50% / ${opacity})`;
  }

  function draw() {
    const style = getComputedStyle(element);
    regions = RegionsPlugin.create();
    waves = WaveSurfer.create({
      container: picture, media: audio, peaks: [peaks], duration: item.seconds, height: 128, normalize: false,
      waveColor: style.getPropertyValue('--wave').trim(), progressColor: style.getPropertyValue('--accent').trim(),
      cursorWidth: 2, interact: true, dragToSeek: false, plugins: [regions], cspNonce: nonce,
    });
    regions.enableDragSelection({ color: colour(null, 0.25) }, 6);
    regions.on('region-created', (region) => { if (!own) adopt(region); });
    regions.on('region-updated', (region) => moved(region));
    regions.on('region-clicked', (region, event) => { event.stopPropagation(); find(region)?.row.querySelector('select').focus(); });
    waves.on('timeupdate', (now) => { if (until !== null && now >= until) { until = null; audio.pause(); } });
    refresh();
  }

  const find = (region) => parts.find((part) => part.region === region);

  function neighbours(part) {
    const others = parts.filter((each) => each !== part);
    const middle = (part.start + part.end) / 2;
    return [Math.max(0, ...others.filter((each) => (each.start + each.end) / 2 <= middle).map((each) => each.end)),
      Math.min(item.seconds, ...others.filter((each) => (each.start + each.end) / 2 > middle).map((each) => each.start))];
  }

  /** Keep a part inside its neighbours; return whether there is room for it. */
  function fit(part) {
    const [low, high] = neighbours(part);
    part.start = round(Math.min(Math.max(part.start, low), high));
    part.end = round(Math.max(Math.min(part.end, high), low));
    return part.end - part.start >= about.shortest - 1e-6;
  }

  function adopt(region) {
    const part = { start: region.start, end: region.end, answer: '', region, row: null };
    parts.push(part);
    if (fit(part)) { place(part); refresh(); part.row.querySelector('select').focus(); } else remove(part);
  }

  function moved(region) {
    const part = find(region);
    if (!part) return;
    const before = [part.start, part.end];
    [part.start, part.end] = [region.start, region.end];
    if (!fit(part)) [part.start, part.end] = before;
    place(part);
    refresh();
  }

  function free_place() {
    const taken = [...parts].sort((a, b) => a.start - b.start);
    const from = Math.min(audio.ended ? 0 : audio.currentTime, item.seconds);
    const edges = [0, ...taken.flatMap((part) => [part.start, part.end]), item.seconds];
    const gaps = edges.flatMap((edge, index) => (index % 2 ? [] : [[edge, edges[index + 1]]]));
    const wide = gaps.filter(([low, high]) => high - low >= about.shortest);
    const gap = wide.find(([low, high]) => from >= low && from < high - about.shortest) ?? wide[0];
    if (!gap) return null;
    const start = Math.max(gap[0], Math.min(from, gap[1] - about.shortest));
    const begin = start >= gap[0] && start < gap[1] - about.shortest ? start : gap[0];
    return [begin, Math.min(gap[1], begin + NEW)];
  }

  function insert(span) {
    if (!span) return;
    own = true;
    const region = regions.addRegion({ start: span[0], end: span[1], drag: true, resize: true, color: colour(null, 0.25) });
    own = false;
    adopt(region);
  }

  function place(part) {
    own = true;
    part.region.setOptions({ start: part.start, end: part.end, color: colour(part.answer, 0.3) });
    own = false;
  }

  function remove(part) {
    parts = parts.filter((each) => each !== part);
    part.region.remove();
    refresh();
  }

  function refresh() {
    parts.sort((a, b) => a.start - b.start);
    parts.forEach((part, index) => { part.row ??= row(part); update(part, index); });
    const rows = parts.map((part) => part.row);
    if (rows.some((each, index) => list.children[index] !== each) || list.children.length !== rows.length) {
      const focused = document.activeElement;
      list.replaceChildren(...rows);
      if (list.contains(focused)) focused.focus();
    }
    empty.hidden = parts.length > 0;
    add.disabled = free_place() === null;
  }

  function row(part) {
    const number = (name, which) => make('label', {}, make('span', {}, name), make('input', {
      type: 'number', step: STEP, min: 0, max: item.seconds, class: which, inputmode: 'decimal',
      onchange: (event) => change(part, which, event.target),
    }));
    const select = make('select', { onchange: (event) => { part.answer = event.target.value; place(part); refresh(); } },
      make('option', { value: '' }, text('choose')), ...answers.map((answer) => make('option', { value: answer }, label(answer))));
    const play = button('▶', () => { until = part.end; audio.currentTime = part.start; audio.play(); }, { class: 'small play-part' });
    const gone = button('×', () => { remove(part); add.focus(); }, { class: 'small delete-part' });
    const element = make('li', { onkeydown: (event) => press(part, select, event) }, make('fieldset', {}, make('legend', {}, ''),
      make('span', { class: 'swatch', 'aria-hidden': 'true' }), number(text('from'), 'start'), number(text('to'), 'end'),
      make('label', { class: 'wide' }, make('span', {}, text('emotion')), select), play, gone));
    return element;
  }

  /** Number keys choose the emotion, where they do not write a number. */
  function press(part, select, event) {
    if (event.target.type === 'number' || !/^[1-9]$/.test(event.key) || !answers[event.key - 1]) return;
    event.preventDefault();
    select.value = answers[event.key - 1];
    part.answer = select.value;
    place(part);
    refresh();
  }

  function change(part, which, input) {
    const before = [part.start, part.end];
    const value = Number(input.value);
    if (Number.isFinite(value) && input.value !== '') part[which] = value;
    if (part.end < part.start || !fit(part)) [part.start, part.end] = before;
    place(part);
    refresh();
  }

  function update(part, index) {
    const number = { number: index + 1 };
    part.row.querySelector('legend').textContent = text('part', number);
    part.row.querySelector('.swatch').style.background = colour(part.answer, 0.9);
    part.row.querySelector('.start').value = part.start.toFixed(2);
    part.row.querySelector('.end').value = part.end.toFixed(2);
    part.row.querySelector('.play-part').setAttribute('aria-label', text('play_part', number));
    part.row.querySelector('.delete-part').setAttribute('aria-label', text('delete_part', number));
  }

  return {
    element,
    draw,
    parts: () => parts.map(({ start, end, answer }) => ({ start, end, answer })),
    fault: () => (parts.some((part) => !part.answer) ? text('choose_emotion') : null),
    destroy: () => waves?.destroy(),
  };
}
