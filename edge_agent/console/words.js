/** Every word of the page in English and Chinese, and which of the two is shown. */

export const WORDS = {
  en: {
    title: "Shadowdog", otherName: "中文", other: "zh", otherLabel: "Switch to Chinese · 切换到中文",
    link: { connecting: "connecting …", live: "connected", lost: "no connection", unpaired: "not paired" },
    lost: "No connection to the agent. Stop may not get through: keep the dog's remote control at hand.",
    noRobot: "The agent has no connection to the dog.",
    posture: { unknown: "posture unknown", standing: "standing", sitting: "sitting", lying: "lying down", damped: "limp", fallen: "fallen over" },
    moving: "moving", still: "still", simulation: "simulation", battery: "Battery", noBattery: "battery unknown",
    cloudAway: "cloud away", dogSection: "The dog", outcomes: "What was said and done", talkSection: "Talk to the dog",
    talk: "Hold to talk", talkOn: "Listening …", talkSend: "Tap to send", talkStarting: "Opening the microphone …", talkCancel: "Let go to discard",
    talkHint: "or tap, speak, tap again", talkRelease: "Let go to send, slide away to discard", talkKeys: "Space: hold to talk · Esc: stop",
    sending: "Understanding …", discarded: "Discarded.", releaseReady: "The microphone is ready: hold and speak.", tooLong: (seconds) => `Discarded: more than ${seconds} seconds.`,
    stop: "STOP", stopping: "Stopping …", stopped: "Stopped", stopLabel: "Stop the dog",
    stopFailed: "The stop did not get through! Use the dog's remote control.", stopRefused: "The dog did not confirm the stop! Use its remote control.", stopUnseen: "The stop was sent, but the dog is not seen at rest! Look at it, and use its remote control.",
    textLabel: "Write to the dog", hint: "or write: sit down please", send: "Send",
    heard: "heard", nothing: "Nothing understood", called: "Yes?", nothingWhy: { silence: "It was silent.", noise: "That was noise, no speech.", unsure: "The words were too unclear.", other_language: "I only know English and Chinese.", too_long: "That was too long.", own_voice: "The dog heard itself.", awaiting_command: "The dog was called; say what it should do." },
    route: { reflex: "reflex, no model", edge: "decided on the dog", cloud: "asked the cloud", offline: "cloud away", none: "not decided" },
    remote: "no skill", sure: "sure", thinking: "Deciding …", asking: "Asking the cloud …",
    step: { sent: "sent", accepted: "accepted", moving: "moving", confirmed: "confirmed" },
    end: { none: "answered", refused: "refused", needs_confirmation: "asks first", failed: "failed", preempted: "cut short", expired: "too late", sent: "sent", accepted: "accepted", moving: "moving", confirmed: "confirmed" },
    stage: { asr: "hearing", intent: "deciding", gate: "gate", acknowledged: "robot", cloud_first_token: "cloud's first word", cloud: "cloud", rest: "rest" },
    untilAcknowledged: (time) => `${time} until the robot acknowledged`, untilAnswered: (time) => `${time} in all`, confirmedAfter: (time) => `confirmed after ${time}`,
    says: "The dog says", spoken: "spoken", written: "written", failedRequest: "not done", noAnswer: "no answer", noAnswerWhy: "No answer came; the agent may act on it all the same.",
    askTitle: (skill) => `${capital(skill)}?`, askSpace: "Is there room around the dog, and nobody near?", yes: (skill) => `Yes, ${skill}`, no: "No", answerIn: (seconds) => `${seconds} s left to answer`,
    pairTitle: "Pair with this dog", pairWhy: "Enter the pairing token that the agent was started with (EDGE_PAIRING_TOKEN).", pairToken: "Pairing token", pairKeep: "Remember on this device", pair: "Pair", pairWrong: "That token is not right.",
    insecure: "The browser gives the microphone to secure pages only: open this page over HTTPS, or on the agent's own computer as http://localhost. Writing works.",
    refused: "The microphone is blocked. Allow it for this page in the browser's settings.", noMicrophone: "No microphone was found.", microphoneBusy: "The microphone cannot be opened; another program may be using it.", noRecorder: "This browser cannot record.",
    deaf: "Speech is not set up on the agent; writing works.", away: "The agent does not answer.",
    emptyTitle: "Say something to the dog", emptyWhat: "In English or Chinese. Tap one to try it:", examples: ["sit down please", "do a full spin", "say hello", "what can you do?"], skills: "All it can do", unanswered: (count) => `Not answered yet (${count})`, askAgain: "Ask again", forget: "Forget", forgetAll: "Forget all", tiers: ["safety", "in place", "needs space", "dangerous, asks first"],
    now: (text) => `Heard: ${text}`, comma: ", ",
  },
  zh: {
    title: "Shadowdog 狗哥", otherName: "English", other: "en", otherLabel: "切换到英文 · Switch to English",
    link: { connecting: "连接中……", live: "已连接", lost: "连接中断", unpaired: "未配对" },
    lost: "与机器狗程序的连接中断，停止指令可能送不到：请把遥控器拿在手边。",
    noRobot: "程序没有连上机器狗。",
    posture: { unknown: "姿势未知", standing: "站着", sitting: "坐着", lying: "趴着", damped: "已放松", fallen: "摔倒了" },
    moving: "正在动", still: "静止", simulation: "模拟", battery: "电量", noBattery: "电量未知",
    cloudAway: "云端不在", dogSection: "机器狗", outcomes: "说了什么，做了什么", talkSection: "对狗说话",
    talk: "按住说话", talkOn: "正在听……", talkSend: "点一下发送", talkStarting: "正在打开麦克风……", talkCancel: "松手即放弃",
    talkHint: "或点一下，说完再点一下", talkRelease: "松开发送，滑开放弃", talkKeys: "空格：按住说话 · Esc：停下",
    sending: "正在理解……", discarded: "已放弃。", releaseReady: "麦克风好了：请按住说话。", tooLong: (seconds) => `超过 ${seconds} 秒，已放弃。`,
    stop: "停 下", stopping: "正在停下……", stopped: "已停下", stopLabel: "让狗停下",
    stopFailed: "停止指令没有送达！请用遥控器。", stopRefused: "机器狗没有确认停止！请用遥控器。", stopUnseen: "停止指令已送达，但没有看到狗停下来！请看狗，用遥控器。",
    textLabel: "写给狗", hint: "也可以写：狗哥，坐下", send: "发送",
    heard: "听清", nothing: "没有听懂", called: "我在！", nothingWhy: { silence: "没有声音。", noise: "那是噪声，不是说话。", unsure: "没听清楚。", other_language: "我只懂中文和英文。", too_long: "太长了。", own_voice: "那是狗自己的声音。", awaiting_command: "听到叫它了，请说要做什么。" },
    route: { reflex: "反射，不经模型", edge: "狗自己判断", cloud: "问了云端", offline: "云端不在", none: "没有判断" },
    remote: "不是动作", sure: "把握", thinking: "正在判断……", asking: "正在问云端……",
    step: { sent: "已发送", accepted: "已接受", moving: "正在动", confirmed: "已证实" },
    end: { none: "已回答", refused: "已拒绝", needs_confirmation: "等待确认", failed: "失败", preempted: "被中断", expired: "过时", sent: "已发送", accepted: "已接受", moving: "正在动", confirmed: "已证实" },
    stage: { asr: "听", intent: "判断", gate: "检查", acknowledged: "机器狗", cloud_first_token: "云端首字", cloud: "云端", rest: "其余" },
    untilAcknowledged: (time) => `${time}后机器狗应答`, untilAnswered: (time) => `共 ${time}`, confirmedAfter: (time) => `${time}后证实`,
    says: "狗说", spoken: "语音", written: "文字", failedRequest: "没有做", noAnswer: "没有回应", noAnswerWhy: "没有收到回应；程序可能照样执行。",
    askTitle: (skill) => `要${skill}吗？`, askSpace: "狗的四周有空地吗？旁边没有人吧？", yes: (skill) => `好，${skill}`, no: "不要", answerIn: (seconds) => `还有 ${seconds} 秒`,
    pairTitle: "与这只狗配对", pairWhy: "请输入启动程序时设的配对码（EDGE_PAIRING_TOKEN）。", pairToken: "配对码", pairKeep: "在此设备上记住", pair: "配对", pairWrong: "配对码不对。",
    insecure: "浏览器只在安全页面上允许用麦克风：请用 HTTPS 打开本页，或在运行程序的电脑上用 http://localhost 打开。打字可以照常用。",
    refused: "麦克风被禁用了，请在浏览器设置里允许本页使用。", noMicrophone: "没有找到麦克风。", microphoneBusy: "麦克风打不开，可能被别的程序占用。", noRecorder: "这个浏览器不能录音。",
    deaf: "程序没有装好语音识别；打字可以照常用。", away: "连不上机器狗程序。",
    emptyTitle: "跟狗说点什么吧", emptyWhat: "中文英文都行。点一句试试：", examples: ["狗哥，坐下", "转个圈", "打个招呼", "你会做什么？"], skills: "它会的全部动作", unanswered: (count) => `还没有回答（${count}）`, askAgain: "再问一次", forget: "删除", forgetAll: "全部删除", tiers: ["安全", "原地", "需要空地", "危险，先问"],
    now: (text) => `听到：${text}`, comma: "，",
  },
};

/** What the agent's error codes mean to a person; other codes are shown in the agent's own words. */
const ERRORS = {
  en: { busy: "Too much at once; try again in a moment.", forbidden: "The agent does not accept this page's address (EDGE_ALLOWED_HOSTS).", audio_invalid: "The recording could not be read.", audio_too_long: "The recording is too long.", too_large: "The recording is too large.", speech_unavailable: "Speech is not set up on the agent; writing works.", not_found: "That question is no longer open.", unauthorized: "This page is not paired with the dog." },
  zh: { busy: "一下子太多了，请稍后再试。", forbidden: "程序不接受这个网址（EDGE_ALLOWED_HOSTS）。", audio_invalid: "录音读不出来。", audio_too_long: "录音太长了。", too_large: "录音太大了。", speech_unavailable: "程序没有装好语音识别；打字可以照常用。", not_found: "这个问题已经过时了。", unauthorized: "本页还没有与狗配对。" },
};

const LANGUAGE_KEY = "language";
let language = localStorage.getItem(LANGUAGE_KEY) || (navigator.language.startsWith("zh") ? "zh" : "en");
if (!(language in WORDS)) language = "en";

/** "en" or "zh". */
export const shownLanguage = () => language;

/** The words of the language shown. */
export const words = () => WORDS[language];

/** What an error of `link.js` means, in the language shown. */
export const errorText = (error) => ERRORS[language][error.code] || (error.code === "away" ? words().away : error.message);

/** Show the other language from now on. */
export function switchLanguage() {
  language = words().other;
  localStorage.setItem(LANGUAGE_KEY, language);
}

/** Milliseconds as a person reads them. */
export function duration(milliseconds) {
  const [ofSecond, second] = language === "zh" ? ["毫秒", "秒"] : ["ms", "s"];
  if (milliseconds < 999.5) return `${milliseconds.toFixed(milliseconds < 9.95 ? 1 : 0)} ${ofSecond}`;
  return `${(milliseconds / 1000).toFixed(2)} ${second}`;
}

/** Put the page's fixed words into the elements that name them by `data-word`, `data-label`, `data-hint`. */
export function fillWords() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = words().title;
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = words()[each.dataset.word];
  for (const each of document.querySelectorAll("[data-label]")) each.setAttribute("aria-label", words()[each.dataset.label]);
  for (const each of document.querySelectorAll("[data-hint]")) each.placeholder = words()[each.dataset.hint];
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
