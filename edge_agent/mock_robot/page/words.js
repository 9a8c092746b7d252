/** Every word of the page in English and Chinese, and which of the two is shown. */

export const WORDS = {
  en: {
    title: "Mock Go2", other: "中文", otherLang: "zh", token: "Pairing token of this mock robot:",
    link: { connecting: "connecting", live: "live", lost: "no answer", refused: "refused" },
    view: "The dog", state: "State", faults: "Faults", calls: "Calls", clear: "Switch all off",
    canvas: "Picture of the dog", keys: "Arrow keys turn the view, plus and minus come nearer or go away, Home resets.",
    above: "From above", side: "From the side",
    look: { left: "Turn the view left", right: "Turn the view right", up: "Look from higher", down: "Look from lower", nearer: "Nearer", farther: "Farther", home: "First view" },
    flat: "This browser offers no WebGL 2, so the dog is drawn flat.",
    text: "This browser can draw nothing here; the state stands below in words.",
    broken: "The three-dimensional view was lost, so the dog is drawn flat.",
    posture: { standing: "standing", sitting: "sitting", lying: "lying", damped: "limp", fallen: "fallen over" },
    locked: "legs locked", still: "still", moving: "moving", posing: "posing", tipped: "fallen over",
    facts: { posture: "posture", doing: "doing", mode: "mode", position: "position", turned: "turned in all", tilt: "roll, pitch", height: "body height", battery: "battery", motors: "motors" },
    sound: "Sound", comma: ", ",
    columns: ["time s", "id", "call", "times", "code", "parameter"],
    doings: {}, fault: {}, explained: {},
    units: { delay_s: "s", away_s: "s", seconds: "s", percent: "%", celsius: "°C", code: "" },
  },
  zh: {
    title: "模拟机器狗 Go2", other: "English", otherLang: "en", token: "请输入这只模拟狗的配对码：",
    link: { connecting: "连接中", live: "实时", lost: "无应答", refused: "被拒绝" },
    view: "机器狗", state: "状态", faults: "故障", calls: "调用记录", clear: "全部关闭",
    canvas: "机器狗画面", keys: "方向键转动视角，加减号拉近或拉远，Home 键复位。",
    above: "俯视", side: "侧视",
    look: { left: "视角向左转", right: "视角向右转", up: "视角升高", down: "视角降低", nearer: "拉近", farther: "拉远", home: "复位视角" },
    flat: "此浏览器没有 WebGL 2，改用平面图。",
    text: "此浏览器无法作图，状态见下方文字。",
    broken: "三维画面已丢失，改用平面图。",
    posture: { standing: "站立", sitting: "坐着", lying: "趴着", damped: "瘫软", fallen: "摔倒" },
    locked: "腿已锁定", still: "静止", moving: "运动中", posing: "摆姿势", tipped: "摔倒",
    facts: { posture: "姿态", doing: "动作", mode: "模式", position: "位置", turned: "累计转角", tilt: "横滚，俯仰", height: "机身高度", battery: "电量", motors: "电机温度" },
    sound: "声音", comma: "，",
    columns: ["秒", "编号", "调用", "次数", "返回码", "参数"],
    doings: {
      Damp: "阻尼", BalanceStand: "平衡站立", StandUp: "起立", StandDown: "趴下", RecoveryStand: "恢复站立", Sit: "坐下", RiseSit: "从坐姿起来",
      Hello: "打招呼", Stretch: "伸懒腰", Content: "开心", Dance1: "跳舞一", Dance2: "跳舞二", Scrape: "拜年", FrontFlip: "前空翻",
      FrontJump: "向前跳", FrontPounce: "向前扑", Heart: "比心", Wallow: "打滚", WiggleHips: "扭屁股", LeftFlip: "左空翻", BackFlip: "后空翻",
    },
    fault: {
      slow: "迟缓", silent: "不应答", dead: "断电", restarted: "重启", rejecting: "拒绝调用", unsupported: "固件不支持", old_firmware: "旧固件",
      low_battery: "电量低", hot_motor: "电机过热", fallen: "摔倒", stale_state: "状态停滞", nan_state: "状态非数", unready: "未就绪", no_speaker: "没有扬声器",
    },
    explained: {
      slow: "每个请求都很晚才执行和应答。", silent: "所有服务都不执行也不应答，状态照常发布。", dead: "什么都不执行、不应答、不发布。",
      restarted: "暂时离开，电机变软，随后自行回来。", rejecting: "运动请求得到错误码，不执行。", unsupported: "固件没有这些调用，返回 3203。",
      old_firmware: "2025 年 7 月以前的固件。", low_battery: "报告这个电量。", hot_motor: "一个腿部电机报告这个温度。",
      fallen: "侧躺在地，直到恢复站立。", stale_state: "状态停住不变。", nan_state: "状态里的数不是数。",
      unready: "平衡站立后一段时间内忽略移动。", no_speaker: "没有音频服务。",
    },
    units: { delay_s: "秒", away_s: "秒", seconds: "秒", percent: "%", celsius: "°C", code: "码" },
  },
};

let language = localStorage.getItem("language") || (navigator.language.startsWith("zh") ? "zh" : "en");

/** The words of the language shown. */
export const words = () => WORDS[language];

/** Show the other language from now on. */
export function switchLanguage() {
  language = WORDS[language].otherLang;
  localStorage.setItem("language", language);
}

/** Put the page's fixed words into the elements that name them by `data-word` or `data-label`. */
export function fillWords() {
  const found = (path) => path.split(".").reduce((value, key) => value[key], words());
  document.documentElement.lang = language;
  document.title = `${words().title} · Shadowdog`;
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = found(each.dataset.word);
  for (const each of document.querySelectorAll("[data-label]")) {
    each.setAttribute("aria-label", found(each.dataset.label));
    each.title = found(each.dataset.label);
  }
}
