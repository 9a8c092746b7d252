/** The page's calls to the mock, with the pairing token where the mock asks for one. */

let token = sessionStorage.getItem("token") || "";
let asking = false;

/** Return the JSON that `path` answers; an Error carries the mock's message. `ask` returns a token. */
export async function call(path, ask, options = {}) {
  return (await reach(path, ask, options)).json();
}

/** Return the bytes that `path` answers. */
export async function callBytes(path, ask) {
  return (await reach(path, ask, {})).arrayBuffer();
}

/** What shows the mock the token; nothing for one that no header can carry, which is then a wrong one. */
const credentials = () => (/^[\x20-\x7e]+$/.test(token) ? { Authorization: `Bearer ${token}` } : {});

async function reach(path, ask, options) {
  const headers = { ...credentials(), ...(options.body ? { "Content-Type": "application/json" } : {}) };
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401 && !asking) {
    asking = true;
    const given = ask();
    asking = false;
    if (given) {
      token = given.trim();
      sessionStorage.setItem("token", token);
      return reach(path, ask, options);
    }
  }
  if (!answer.ok) throw new Error((await answer.json()).message || String(answer.status));
  return answer;
}
