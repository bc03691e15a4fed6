// The administrator's page. The token is behind the # of the address, which browsers do not send.

const token = location.hash.slice(1);
const main = document.getElementById('main');
const notice = document.getElementById('notice');
const base = new URL('..', location.href).href.replace(/\/$/, '');

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children.map((child) => (child === null || child === undefined ? '–' : child)));
  return element;
}

async function ask(path, body) {
  const headers = { Authorization: `Bearer ${token}` };
  const options = body === undefined ? { headers } : {
    method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' }, body: JSON.stringify(body),
  };
  const response = await fetch(`api/${path}`, options);
  const content = await response.json();
  if (!response.ok) throw new Error(content.message);
  return content;
}

async function attempt(action) {
  try { await action(); notice.textContent = ''; } catch (error) { notice.textContent = error.message; }
}

function table(caption, columns, rows) {
  const head = columns.map(([name, number]) => make('th', { scope: 'col', class: number ? 'number' : null }, name));
  const body = rows.map((cells) => make('tr', {}, ...cells.map((cell, index) => make('td', { class: columns[index][1] ? 'number' : null }, cell))));
  return make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    make('table', {}, make('thead', {}, make('tr', {}, ...head)), make('tbody', {}, ...body)));
}

function figures(found) {
  const states = Object.entries(found.states).map(([name, count]) => [name, count]);
  const values = [['answers', found.answers], ...states, ['median seconds per answer', found.seconds], ['median minutes, finished', found.minutes],
    ['failed checks', `${found.checks.failed} of ${found.checks.asked}`]];
  return make('dl', { class: 'figures' }, ...values.map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value === null ? '–' : String(value)))));
}

function links(found) {
  const rows = found.links.map((link) => [
    link.label || (link.open ? 'open link' : ''), link.state, link.listener, link.language, `${link.done} of ${found.items}`, link.seconds, link.minutes,
    `${link.checks.failed} of ${link.checks.asked}`, link.code,
    make('button', { type: 'button', class: 'small', onclick: () => copy(`${base}/t/${link.token}/`) }, 'Copy link'),
    make('button', { type: 'button', class: 'small', onclick: () => withdraw(link) }, 'Withdraw'),
  ]);
  return table('Links', [['label'], ['state'], ['listener'], ['language'], ['answers', true], ['median s', true], ['minutes', true], ['failed checks', true], ['code'], ['link'], ['data']], rows);
}

async function copy(link) {
  if (navigator.clipboard) await navigator.clipboard.writeText(link);
  notice.textContent = navigator.clipboard ? 'Copied.' : link;
}

async function withdraw(link) {
  if (!confirm(`Remove everything that is known of ${link.listener ?? 'this person'}? This cannot be undone.`)) return;
  await attempt(async () => { await ask('withdraw', { token: link.token }); await draw(); });
}

function more() {
  const count = make('input', { type: 'number', min: 1, max: 1000, value: 10, id: 'count' });
  const name = make('input', { type: 'text', maxlength: 100, id: 'label' });
  return make('form', { onsubmit: (event) => {
    event.preventDefault();
    attempt(async () => { await ask('links', { count: Number(count.value), label: name.value }); await draw(); });
  } }, make('label', { for: 'count' }, 'Links', count), make('label', { for: 'label' }, 'Label', name), make('button', { type: 'submit' }, 'Make links'));
}

function verdict(found) {
  const percent = (value) => (100 * value).toFixed(1);
  const rows = found.rows.map((row) => [row.name, row.value === null ? null : percent(row.value),
    row.low === null ? null : `${percent(row.low)} to ${percent(row.high)}`, row.advice, row.listeners]);
  const text = found.problem || `${found.can_stop ? 'The test can stop.' : 'The test should go on.'} Intervals hold at all times of the test, so that looking does not cheat; only finished sessions count.`;
  return [make('p', {}, text), ...(rows.length ? [table('When to stop', [['of'], ['UAR or difference, %', true], ['95 % interval', true], ['what to do'], ['listeners', true]], rows)] : [])];
}

async function draw() {
  const found = await ask('overview');
  const cells = found.cells.map((cell) => [cell.language, cell.dialect, cell.truth, cell.items, cell.answers, (cell.answers / cell.items).toFixed(1)]);
  const open = found.open && found.open.cap ? make('p', {}, `Open link: ${base}/open/${found.open.token}/ (${found.open.left} of ${found.open.cap} places left)`) : '';
  main.replaceChildren(make('h1', {}, found.title ?? 'Listening test'), make('p', { class: 'soft' }, `Protocol ${found.hash.slice(0, 12)}`), figures(found),
    make('h2', {}, 'Links'), open, more(), links(found), make('h2', {}, 'When to stop'), ...verdict(found.verdict), make('h2', {}, 'Answers per cell'),
    table('Answers per cell', [['language'], ['dialect'], ['class'], ['items', true], ['answers', true], ['per item', true]], cells));
}

attempt(draw);
setInterval(() => { if (!document.hidden && !main.contains(document.activeElement)) attempt(draw); }, 15000);
