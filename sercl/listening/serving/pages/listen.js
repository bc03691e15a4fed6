// The pages of a listening test. Each page is a function that shows it and returns a promise, which is kept when
// the listener goes on: so the test below (`run`) reads from top to bottom. The server knows what is answered; this
// module only knows what has not been sent yet.

const COMMON_LANGUAGES = ('af am ar az be bg bn bs ca cs cy da de el en es et eu fa fi fil fr ga gl gu ha he hi hr hu '
  + 'hy id ig is it ja ka kk km kn ko ku ky lb lo lt lv mk ml mn mr ms mt my ne nl no or pa pl ps pt ro ru rw sd si sk '
  + 'sl so sq sr sv sw ta te th ti tl tr uk ur uz vi xh yo yue zh zu').split(' ');
const LEVELS = ['beginner', 'good', 'fluent'];
const WAITS = [1, 2, 4, 8, 15];

const main = document.getElementById('main');
const notice = document.getElementById('notice');
const store = `sercl:${location.pathname}`;
let about = null;
let language = null;

// ------------------------------------------------------------------------------------------------ small helpers

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function text(name, values = {}) {
  let found = about.languages[language][name] ?? name;
  for (const [key, value] of Object.entries(values)) found = found.replaceAll(`{${key}}`, value);
  return found;
}

const label = (answer) => about.languages[language].answers[answer] ?? answer;

function random() {
  // Not randomUUID, which browsers only have on encrypted connections.
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function read(name) {
  try { return JSON.parse(localStorage.getItem(`${store}:${name}`)); } catch { return null; }
}

function keep(name, value) {
  try { localStorage.setItem(`${store}:${name}`, JSON.stringify(value)); } catch { /* private mode: kept in memory */ }
}

function show(title, ...children) {
  const heading = make('h1', { tabindex: '-1' }, title);
  main.replaceChildren(heading, ...children.filter((child) => child !== null));
  notice.textContent = '';
  window.scrollTo(0, 0);
  heading.focus({ preventScroll: true });
}

function say(message) {
  notice.textContent = message;
}

function button(name, action, attributes = {}) {
  return make('button', { type: 'button', ...attributes, onclick: action }, name);
}

/** Show a page whose only way on is a button. */
function page(title, children, name, before = async () => true) {
  return new Promise((resolve) => {
    let busy = false;
    const on = button(name, async () => {
      if (busy) return;
      busy = true;
      try { if (await before()) resolve(); } finally { busy = false; }
    }, { class: 'main' });
    show(title, ...children, make('div', { class: 'actions' }, on));
  });
}

// ------------------------------------------------------------------------------------------------ the server

class Refused extends Error {
  constructor(reason, message) { super(message); this.reason = reason; }
}

async function ask(path, body) {
  const options = body === undefined ? { cache: 'no-store' } : {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
  };
  const response = await fetch(path, options);
  if (response.status === 404) {
    // Only the server itself knows that there is no such link; a proxy says 404 also while the server starts again.
    const content = await response.json().catch(() => null);
    if (content?.message === 'unknown_link') throw new Refused('unknown_link', '');
  }
  if (response.status === 409 || response.status === 422) {
    const content = await response.json();
    throw new Refused(content.reason, content.message);
  }
  if (!response.ok) throw new TypeError(`status ${response.status}`);
  return response.json();
}

/** Ask until there is an answer: what is lost is the connection, or the server for a moment. */
async function insist(path, body) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const answer = await ask(path, body);
      if (attempt) { say(about ? text('online') : ''); if (about?.plan) report('offline'); }
      return answer;
    } catch (error) {
      if (error instanceof Refused) throw error;
      say(about ? text('offline') : '…');
      await pause(WAITS[Math.min(attempt, WAITS.length - 1)]);
    }
  }
}

function pause(seconds) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, seconds * 1000);
    function done() { clearTimeout(timer); window.removeEventListener('online', done); resolve(); }
    window.addEventListener('online', done);
  });
}

// Answers that were not acknowledged are kept on this device, also over a reload. Each has an id of its own, so that
// the server stores it once, however often it is sent.
let queue = read('queue') ?? [];

async function deliver(answer) {
  queue.push(answer);
  keep('queue', queue);
  return (await flush()).find((result) => result.id === answer.id);
}

async function flush() {
  if (!queue.length) return [];
  const sent = [...queue];
  try {
    const { results } = await insist('api/answers', sent);
    return results;
  } finally {
    queue = queue.filter((each) => !sent.includes(each));
    keep('queue', queue);
  }
}

function report(what) {
  ask('api/event', { what }).catch(() => { /* a note for the administrator; the test does not depend on it */ });
}

// ------------------------------------------------------------------------------------------------ audio

/** A large button that plays a recording, and a promise of its first end. */
function player(source, { onstart = () => {}, onend = () => {} } = {}) {
  const audio = new Audio();
  audio.preload = 'auto';
  audio.src = source;
  const name = make('span', { class: 'name' }, text('play'));
  const ring = make('span', { class: 'ring', 'aria-hidden': 'true' });
  const play = make('button', { type: 'button', class: 'play', onclick: toggle }, ring, name);
  let plays = 0;
  function toggle() {
    if (!audio.paused) { audio.pause(); return; }
    if (audio.ended || audio.currentTime === 0) { plays += 1; onstart(); }
    audio.play().catch(failed);
  }
  function failed() {
    if (!main.contains(play)) return;
    say(text('no_audio'));
    report('no_audio');
    audio.load();
  }
  function turn() {
    if (!main.contains(play)) { audio.pause(); return; }
    ring.style.setProperty('--part', audio.duration ? audio.currentTime / audio.duration : 0);
    if (!audio.paused) requestAnimationFrame(turn);
  }
  function rename() {
    play.classList.toggle('playing', !audio.paused);
    name.textContent = audio.paused ? text(plays && audio.ended ? 'listen_again' : 'play') : text('pause_audio');
    turn();
  }
  audio.addEventListener('play', rename);
  audio.addEventListener('pause', rename);
  audio.addEventListener('ended', () => { rename(); onend(); });
  return { audio, element: play, toggle, plays: () => plays };
}

// ------------------------------------------------------------------------------------------------ choices

/** A group of large buttons of which one is chosen: radio buttons, so that every device knows them. */
function choices(question, options, onchange, { numbered = false, kind = 'grid' } = {}) {
  const name = `choice-${random()}`;
  const inputs = options.map(([value]) => make('input', {
    type: 'radio', name, value, onchange: () => onchange(value),
  }));
  const labels = options.map(([, title], index) => make('label', { class: 'option' }, inputs[index],
    make('span', {}, numbered && index < 9 ? make('kbd', { 'aria-hidden': 'true' }, String(index + 1)) : null, title)));
  const group = make('fieldset', { class: 'choices' }, make('legend', {}, question), make('div', { class: kind }, ...labels));
  return {
    element: group,
    disable(disabled) { group.disabled = disabled; },
    choose(index) {
      if (group.disabled || !inputs[index]) return;
      inputs[index].checked = true;
      onchange(inputs[index].value);
    },
  };
}

// ------------------------------------------------------------------------------------------------ before the test

function choose_language() {
  const codes = Object.keys(about.languages);
  const wanted = [read('language'), ...(navigator.languages ?? []).map((code) => code.split('-')[0])];
  language = wanted.find((code) => codes.includes(code)) ?? codes[0];
  adopt();
}

function adopt() {
  document.documentElement.lang = language;
  document.title = about.title ?? text('title');
  document.getElementById('progress').setAttribute('aria-label', document.title);
}

function language_menu(again) {
  const codes = Object.keys(about.languages);
  if (codes.length < 2) return null;
  const options = codes.map((code) => button(about.languages[code].language, () => {
    language = code;
    keep('language', code);
    adopt();
    again();
  }, { lang: code, 'aria-pressed': String(code === language) }));
  return make('nav', { class: 'languages', 'aria-label': text('language_label') }, ...options);
}

function welcome() {
  return new Promise((resolve) => {
    const draw = () => show(about.title ?? text('title'), language_menu(draw), make('p', { class: 'lead' }, text('welcome')),
      make('div', { class: 'actions' }, button(text('next'), () => resolve(), { class: 'main' })));
    draw();
  });
}

function consent(begin) {
  return page(text('consent_question'), [make('p', {}, text('consent'))], text('agree'), begin);
}

async function background() {
  const fields = about.questions.map(field);
  const form = make('form', { class: 'form', novalidate: true, onsubmit: (event) => event.preventDefault() },
    ...fields.map((each) => each.element));
  await page(text('questions_title'), [form], text('next'), async () => {
    const missing = fields.find((each) => each.question.required && !each.value().length);
    if (missing) {
      say(text('missing', { question: missing.question.label[language] }));
      missing.element.querySelector('input, select').focus();
      return false;
    }
    const answers = Object.fromEntries(fields.map((each) => [each.question.name, each.value()]));
    try {
      await insist('api/background', answers);
    } catch (error) {
      if (!(error instanceof Refused) || error.reason !== 'invalid') throw error;
      say(text('refused', { reason: error.message }));
      return false;
    }
    return true;
  });
}

function field(question) {
  const title = question.label[language];
  const optional = question.required ? null : make('span', { class: 'soft' }, ` (${text('optional')})`);
  if (question.type === 'choice') {
    let value = '';
    const options = Object.entries(question.options).map(([name, labels]) => [name, labels[language]]);
    return { question, element: choices(title, options, (chosen) => { value = chosen; }, { kind: 'list' }).element, value: () => value };
  }
  if (question.type === 'languages') return languages_field(question, title, optional);
  const id = `field-${question.name}`;
  const input = make('input', {
    id, type: 'text', inputmode: question.type === 'number' ? 'decimal' : 'text', maxlength: '200', autocomplete: 'off',
    list: question.type === 'language' ? language_list() : null,
  });
  const element = make('div', { class: 'field' }, make('label', { for: id }, title, optional), input);
  return { question, element, value: () => (question.type === 'language' ? code_of(input.value) : input.value.trim()) };
}

function languages_field(question, title, optional) {
  const rows = make('div', { class: 'rows' });
  const add = () => {
    const name = make('input', { type: 'text', list: language_list(), 'aria-label': text('language_label'), maxlength: '60', autocomplete: 'off' });
    const level = make('select', { 'aria-label': text('level') }, ...LEVELS.map((each) => make('option', { value: each }, text(each))));
    const row = make('div', { class: 'row' }, name, level, button('×', () => { row.remove(); more.focus(); }, { class: 'small', 'aria-label': text('remove') }));
    rows.append(row);
    name.focus();
  };
  const more = button(text('add_language'), add, { class: 'quiet' });
  const element = make('fieldset', { class: 'field' }, make('legend', {}, title, optional), rows, more);
  const value = () => [...rows.children].map((row) => [code_of(row.querySelector('input').value), row.querySelector('select').value])
    .filter(([name]) => name);
  return { question, element, value };
}

function language_names() {
  const names = new Intl.DisplayNames([language], { type: 'language' });
  return COMMON_LANGUAGES.map((code) => [code, names.of(code)]).sort((a, b) => a[1].localeCompare(b[1], language));
}

function language_list() {
  const id = `languages-${language}`;
  if (!document.getElementById(id)) {
    document.body.append(make('datalist', { id }, ...language_names().map(([, name]) => make('option', { value: name }))));
  }
  return id;
}

// Whoever writes "German", "Deutsch" or "de" belongs to one group, whichever language the page is in.
function code_of(name) {
  const given = name.trim().replace(/[:,]/g, ' ');
  const pages = [language, 'en', ...Object.keys(about.languages)];
  const names = (code) => [code, ...[...pages, code].map((own) => new Intl.DisplayNames([own], { type: 'language' }).of(code))];
  return COMMON_LANGUAGES.find((code) => names(code).some((known) => known.toLowerCase() === given.toLowerCase())) ?? given;
}

function volume() {
  const sound = player(`audio/${about.example}`);
  return page(text('volume_title'), [make('p', {}, text('volume')), make('div', { class: 'stage' }, sound.element)], text('volume_done'))
    .then(() => sound.audio.pause());
}

async function headphones() {
  const answers = [];
  for (let trial = 0; trial < about.trials; trial += 1) answers.push(await headphone_trial(trial));
  await insist('api/headphones', answers);
}

function headphone_trial(trial) {
  return new Promise((resolve) => {
    const options = ['headphones_first', 'headphones_second', 'headphones_third'].map((name, index) => [String(index), text(name)]);
    const group = choices(text('headphones_title'), options, (value) => { sound.audio.pause(); resolve(Number(value)); });
    const sound = player(`headphones/${trial}`, { onend: () => group.disable(false) });
    group.disable(true);
    show(text('headphones_title'), make('p', {}, text('headphones', { count: about.trials })),
      make('p', { class: 'soft' }, text('progress', { done: trial + 1, total: about.trials })),
      make('div', { class: 'stage' }, sound.element), group.element);
  });
}

// ------------------------------------------------------------------------------------------------ the test

function advance(plan) {
  const items = plan.blocks.flatMap((block) => block.items);
  const part = items.filter((item) => item.done).length / items.length;
  const bar = document.getElementById('progress');
  bar.hidden = false;
  bar.setAttribute('aria-valuenow', Math.round(100 * part));
  bar.firstElementChild.style.width = `${100 * part}%`;
}

function introduce(plan, block) {
  const numbered = plan.blocks.filter((each) => !each.practice);
  const tasks = new Set(block.items.map((item) => item.task));
  const asks = [...tasks].map((task) => make('p', {}, text(task)));
  if (block.practice) return page(text('practice_title'), [make('p', {}, text('practice')), ...asks], text('start'));
  const number = numbered.indexOf(block) + 1;
  const done = numbered.filter((each) => each.items.every((item) => item.done)).length;
  const rest = done ? [make('p', { class: 'lead' }, text('pause')), make('p', { class: 'soft' }, text('parts_left', { done, total: numbered.length }))] : [];
  return page(done ? text('break_title') : text('block', { number, total: numbered.length }), [...rest, ...asks], text('next'));
}

async function trial(item, number, total, practice) {
  const counter = make('p', { class: 'counter' }, text('item', { number, total }));
  return item.task === 'segments' ? marking_trial(item, counter) : choice_trial(item, counter, practice);
}

function choice_trial(item, counter, practice) {
  return new Promise((resolve, reject) => {
    const given = { id: random(), item: item.key, answer: null, confidence: null, seconds: null, plays: 0, parts: [] };
    let started = null;
    let heard = false;
    let busy = false;
    const sound = player(`audio/${item.key}`, {
      onstart: () => { started ??= performance.now(); },
      onend: () => { heard = true; group.disable(false); check(); },
    });
    const answers = about.answers.map((answer) => [answer, label(answer)]);
    const group = choices(text('choice'), answers, (value) => { given.answer = value; given.seconds = (performance.now() - started) / 1000; check(); }, { numbered: true });
    const levels = [1, 2, 3, 4, 5].map((level) => [String(level), text(`confidence_${level}`)]);
    const sure = about.confidence ? choices(text('confidence'), levels, (value) => { given.confidence = Number(value); check(); }, { kind: 'scale' }) : null;
    const next = button(text('next'), send, { class: 'main' });
    const feedback = make('p', { class: 'feedback', role: 'status' });
    const asked = item.asked ? make('p', { class: 'asked' }, text('attention', { answer: label(item.asked) })) : null;
    const keys = make('p', { class: 'soft keys' }, text('keys'));
    function check() {
      sure?.disable(!heard || !given.answer);
      next.disabled = busy || !heard || !given.answer || (sure !== null && !given.confidence);
    }
    async function send() {
      if (busy || next.disabled) return;
      busy = true;
      check();
      sound.audio.pause();
      group.disable(true);
      given.plays = sound.plays();
      say(text('saving'));
      try {
        const result = await deliver(given);
        say('');
        item.done = true;
        if (practice && result?.truth) await respond(result.truth);
        leave();
        resolve(result);
      } catch (error) { leave(); reject(error); }
    }
    function respond(truth) {
      const right = truth === given.answer;
      feedback.textContent = right ? text('right') : text('wrong', { answer: label(truth) });
      feedback.classList.toggle('right', right);
      return new Promise((go) => {
        const on = button(text('next'), go, { class: 'main' });
        next.replaceWith(on);
        on.focus();
      });
    }
    function press(event) {
      if (event.ctrlKey || event.metaKey || event.altKey || busy) return;
      if (event.key.toLowerCase() === 'p') { event.preventDefault(); sound.toggle(); }
      else if (/^[1-9]$/.test(event.key)) group.choose(Number(event.key) - 1);
      else if (event.key === 'Enter' && !next.disabled && event.target.tagName !== 'BUTTON') send();
    }
    function leave() { document.removeEventListener('keydown', press); }
    document.addEventListener('keydown', press);
    group.disable(true);
    show(text('choice'), counter, asked, make('div', { class: 'stage' }, sound.element), group.element, sure?.element ?? null,
      feedback, make('div', { class: 'actions' }, next), keys);
    main.querySelector('.choices legend').classList.add('hidden');
    check();
    sound.element.focus({ preventScroll: true });
  });
}

async function marking_trial(item, counter) {
  const { marker } = await import('./marking.js');
  const peaks = await insist(`peaks/${item.key}`);
  return new Promise((resolve, reject) => {
    let started = null;
    let heard = false;
    let busy = false;
    const sound = player(`audio/${item.key}`, { onstart: () => { started ??= performance.now(); }, onend: () => { heard = true; check(); } });
    const marks = marker({ audio: sound.audio, peaks, item, about, text, label, make, button, nonce: document.getElementById('script').nonce });
    const next = button(text('next'), send, { class: 'main' });
    function check() { next.disabled = busy || !heard; }
    async function send() {
      if (busy) return;
      const fault = marks.fault();
      if (fault) { say(fault); return; }
      busy = true;
      check();
      sound.audio.pause();
      say(text('saving'));
      const seconds = (performance.now() - started) / 1000;
      const given = { id: random(), item: item.key, answer: null, confidence: null, seconds, plays: sound.plays(), parts: marks.parts() };
      try {
        const result = await deliver(given);
        item.done = true;
        marks.destroy();
        resolve(result);
      } catch (error) { marks.destroy(); reject(error); }
    }
    show(text('mark'), counter, make('p', {}, text('segments')), make('div', { class: 'stage' }, sound.element), marks.element,
      make('div', { class: 'actions' }, next));
    marks.draw();
    check();
    sound.element.focus({ preventScroll: true });
  });
}

async function blocks(plan) {
  let current = plan;
  let introduced = null;
  for (;;) {
    advance(current);
    const block = current.blocks.find((each) => each.items.some((item) => !item.done));
    if (!block) return;
    const place = current.blocks.indexOf(block);
    if (place !== introduced) { await introduce(current, block); introduced = place; }
    const item = block.items.find((each) => !each.done);
    const after = block.items[block.items.indexOf(item) + 1];
    if (after) make('audio', { preload: 'auto', src: `audio/${after.key}` });
    const result = await trial(item, block.items.indexOf(item) + 1, block.items.length, block.practice);
    // Another tab has answered it: it may have answered more.
    if (result && !result.new) current = (await insist('api/state')).plan;
  }
}

function end(code, title) {
  document.getElementById('progress').hidden = true;
  const shown = make('output', { class: 'code', 'aria-label': text('code') }, code);
  const copy = navigator.clipboard ? button(text('copy'), () => navigator.clipboard.writeText(code).then(() => say(text('copied'))), { class: 'quiet' }) : null;
  show(title, make('p', {}, text('thanks')), make('p', { class: 'soft' }, text('code')), shown, copy);
}

function stop(reason) {
  const known = ['unknown_link', 'outdated', 'expired', 'full'];
  document.getElementById('progress').hidden = true;
  show(about ? (about.title ?? text('title')) : '', make('p', { class: 'lead' }, text(known.includes(reason) ? reason : 'trouble')));
}

async function begin() {
  if (about.state === 'open') {
    const { token } = await insist('api/join', {});
    keep('own', token);
    await insist(`../../t/${token}/api/begin`, { language });
    location.replace(`../../t/${token}/`);
    return new Promise(() => {});
  }
  about.plan = (await insist('api/begin', { language })).plan;
  return true;
}

async function run() {
  const own = location.pathname.match(/\/open\/[^/]+\/$/) ? read('own') : null;
  if (own) { location.replace(`../../t/${own}/`); return; }
  about = await insist('api/state');
  choose_language();
  if (about.plan) { language = about.plan.language; adopt(); }
  if (about.state === 'finished') { end(about.plan.code, text('done_before')); return; }
  if (!['new', 'open', 'running'].includes(about.state)) { stop(about.state); return; }
  if (about.state === 'running') {
    await flush();
    await begin();
    if (about.plan.background) await page(about.title ?? text('title'), [make('p', { class: 'lead' }, text('again'))], text('resume'));
  } else {
    await welcome();
    await consent(begin);
  }
  if (!about.plan.background) await background();
  await volume();
  if (about.plan.headphones) await headphones();
  await blocks(about.plan);
  const { code } = await insist('api/finish', {});
  end(code, text('title'));
}

document.addEventListener('visibilitychange', () => { if (document.hidden && about?.plan && !about.plan.code) report('hidden'); });

async function guarded() {
  try {
    await run();
  } catch (error) {
    if (!about) about = { title: null, languages: { en: {} } };
    language ??= 'en';
    if (error instanceof Refused && error.reason === 'finished') { location.reload(); return; }
    if (!Object.keys(about.languages[language]).length) {
      show('', make('p', { class: 'lead' }, 'This link is not valid. · Dieser Link ist nicht gültig. · 此链接无效。'));
      return;
    }
    if (!(error instanceof Refused)) console.error(error);
    stop(error instanceof Refused ? error.reason : 'trouble');
  }
}

guarded();
