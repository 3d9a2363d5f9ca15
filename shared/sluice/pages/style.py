"""How pages look: one style sheet, in two themes. Text has a contrast of at least 4.5 to what it stands on.

Everything is under ``.sl``: the style sheet of a custom widget is one of many on its dashboard.
"""

from __future__ import annotations

from sluice.pages.markup import Html

_LIGHT = """
--bg:#fff;--raised:#f6f7f9;--line:#d9dee5;--ink:#16202c;--soft:#52606f;--link:#0b5cad;--focus:#0b5cad;
--good:#116b3d;--good-bg:#e3f5ea;--busy:#0b5cad;--busy-bg:#e3effb;--warn:#8a4b00;--warn-bg:#fdf0dc;
--bad:#b0171f;--bad-bg:#fdeaea;--idle:#52606f;--idle-bg:#eceff3;
--p1:#2f6fb3;--p2:#c9ced6;--p3:#6a4fb0;--p4:#c2571a;--act:#0b5cad;--act-ink:#fff
"""

_DARK = """
--bg:#0f1b2a;--raised:#172638;--line:#33465c;--ink:#e8eef5;--soft:#a9b8c8;--link:#7cc0ff;--focus:#7cc0ff;
--good:#7ddba3;--good-bg:#12382a;--busy:#8cc8ff;--busy-bg:#123252;--warn:#ffc46b;--warn-bg:#43300f;
--bad:#ff9c9c;--bad-bg:#4a1d24;--idle:#b4c0cd;--idle-bg:#263549;
--p1:#5aa0e6;--p2:#55677c;--p3:#a08be8;--p4:#f0904f;--act:#7cc0ff;--act-ink:#08121e
"""

_RULES = """
.sl{box-sizing:border-box;container-type:inline-size;background:var(--bg);color:var(--ink);padding:16px;
font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;min-height:100%}
.sl *,.sl *::before{box-sizing:border-box}
.sl h2,.sl h3,.sl p,.sl ul,.sl dl,.sl dd,.sl table{margin:0;padding:0}
.sl h2{font-size:20px;line-height:1.25;font-weight:650;letter-spacing:-.01em;color:var(--ink)}
.sl h3{font-size:15px;line-height:1.3;font-weight:650;color:var(--ink);margin:24px 0 8px}
.sl .soft{color:var(--soft)}.sl .num{font-variant-numeric:tabular-nums}.sl .break{overflow-wrap:anywhere}
.sl .head{display:flex;flex-wrap:wrap;gap:4px 16px;align-items:baseline;justify-content:space-between}
.sl button{font:inherit;color:var(--link);background:none;border:1px solid transparent;border-radius:6px;
padding:0;cursor:pointer;text-align:left;min-height:26px}
.sl button:hover{text-decoration:underline}
.sl button:focus-visible,.sl summary:focus-visible,.sl input:focus-visible,.sl select:focus-visible,
.sl .scroll:focus-visible{outline:3px solid var(--focus);outline-offset:2px;border-radius:6px}
.sl .btn{border:1px solid var(--line);background:var(--raised);color:var(--ink);padding:7px 12px;font-weight:550;
line-height:1.2;min-height:34px}
.sl .btn:hover{border-color:var(--soft);text-decoration:none}
.sl .btn.main{background:var(--act);border-color:var(--act);color:var(--act-ink)}
.sl .btn.risky{color:var(--bad);border-color:var(--bad)}
.sl cwdb-action{display:none}
.sl .row{display:flex;flex-wrap:wrap;gap:8px;align-items:end}
.sl .chips{display:flex;flex-wrap:wrap;gap:6px;margin:12px 0 0}
.sl .chip,.sl .state{display:inline-flex;align-items:center;gap:5px;border-radius:999px;padding:2px 9px 2px 7px;
font-weight:600;line-height:1.5;white-space:nowrap;font-size:13px}
.sl button.chip{border:1px solid currentColor;padding:4px 11px 4px 9px;min-height:32px}
.sl button.chip[aria-pressed=true]{outline:2px solid currentColor;outline-offset:1px}
.sl .ic{width:13px;height:13px;flex:none}
.sl .good{color:var(--good);background:var(--good-bg)}.sl .busy{color:var(--busy);background:var(--busy-bg)}
.sl .warn{color:var(--warn);background:var(--warn-bg)}.sl .bad{color:var(--bad);background:var(--bad-bg)}
.sl .idle{color:var(--idle);background:var(--idle-bg)}
.sl .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:8px;margin-top:16px}
.sl .tile{border:1px solid var(--line);border-radius:8px;padding:9px 12px;background:var(--raised)}
.sl .tile b{display:block;font-size:18px;font-weight:650;line-height:1.3}
.sl .tile.bad,.sl .tile.warn{border-color:currentColor}
.sl .finds{list-style:none;display:grid;gap:6px}
.sl .find{display:grid;grid-template-columns:auto 1fr;gap:0 9px;border-radius:8px;padding:8px 12px}
.sl .find .ic{margin-top:4px}.sl .find b{font-weight:650}.sl .find p{color:var(--ink)}
.sl label{display:block;font-size:12px;color:var(--soft);font-weight:550}
.sl input,.sl select{font:inherit;font-weight:400;font-size:14px;color:var(--ink);background:var(--bg);
border:1px solid var(--soft);border-radius:6px;padding:6px 9px;min-height:34px;width:100%;margin-top:2px;max-width:100%}
.sl .field{flex:0 1 200px;min-width:0}.sl .field.wide{flex:1 1 260px}
.sl .tables{display:flex;flex-wrap:wrap;gap:12px;margin-top:12px}
.sl .tables>.scroll{flex:1 1 auto;max-width:100%}
.sl .scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px}
.sl table{width:100%;border-collapse:collapse;font-size:13px;background:var(--bg)}
.sl caption{text-align:left;padding:9px 12px;font-weight:650;font-size:14px;background:var(--raised);
border-bottom:1px solid var(--line);color:var(--ink)}
.sl caption small{font-weight:400;color:var(--soft);font-size:12px;margin-left:8px}
.sl th,.sl td{padding:8px 12px;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
.sl tr:last-child>*{border-bottom:0}
.sl thead th{font-size:12px;font-weight:600;color:var(--soft);background:var(--bg);white-space:nowrap}
.sl tbody th{font-weight:650;overflow-wrap:anywhere;min-width:96px}
.sl .n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.sl .cell{display:grid;gap:4px;min-width:104px}
.sl .cell .state{justify-self:start}
.sl .cell small,.sl .small{font-size:12px;line-height:1.35;color:var(--soft)}
.sl .cell small.hot{color:var(--bad);font-weight:600}
.sl .bar{display:block;height:6px;border-radius:3px;background:var(--idle-bg);overflow:hidden;width:100%}
.sl .bar>i{display:block;height:100%;border-radius:3px;background:currentColor}
.sl .bar.good,.sl .bar.busy,.sl .bar.warn,.sl .bar.bad,.sl .bar.idle{background:var(--idle-bg)}
.sl .facts{display:grid;
grid-template-columns:repeat(auto-fill,minmax(min(165px,44%),1fr));gap:10px 20px;margin-top:12px}
.sl dt{font-size:12px;color:var(--soft)}.sl dd{font-weight:550;overflow-wrap:anywhere}
.sl .phases{display:flex;height:14px;border-radius:4px;overflow:hidden;background:var(--idle-bg);min-width:120px}
.sl .phases>i{display:block;height:100%;min-width:1px}
.sl .k1{background:var(--p1)}.sl .k2{background:var(--p2)}.sl .k3{background:var(--p3)}.sl .k4{background:var(--p4)}
.sl .key{display:flex;flex-wrap:wrap;gap:4px 14px;font-size:12px;color:var(--soft);margin:0 0 8px;list-style:none}
.sl .key i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:5px;vertical-align:-1px}
.sl .box{border:1px solid var(--line);border-radius:8px;padding:12px;background:var(--raised);margin-top:16px}
.sl .box h3{margin-top:0}.sl .box .row{margin-top:8px}.sl details{margin-top:8px}
.sl summary{cursor:pointer;color:var(--link)}
.sl .acts{display:flex;flex-wrap:wrap;gap:8px;margin-top:12px}
.sl .none{padding:28px 12px;text-align:center;color:var(--soft);border:1px dashed var(--line);border-radius:8px;
margin-top:16px}
.sl .pager{display:flex;gap:8px;align-items:center;margin-top:12px;flex-wrap:wrap}
.sl .hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@container (max-width:620px){
.sl .cards,.sl .cards tbody,.sl .cards tr,.sl .cards th,.sl .cards td,.sl .cards caption{display:block;width:100%}
.sl .cards thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.sl .cards tr{padding:8px 0;border-bottom:1px solid var(--line)}.sl .cards tr:last-child{border-bottom:0}
.sl .cards th,.sl .cards td{border:0;padding:4px 12px}
.sl .cards td[data-label]{display:grid;grid-template-columns:minmax(84px,32%) 1fr;gap:8px;text-align:left;
white-space:normal}
.sl .cards td[data-label]::before{content:attr(data-label);color:var(--soft);font-size:12px;padding-top:2px}
.sl .cards td.empty{display:none}.sl h2{font-size:18px}
}
"""


def style(*, dark: bool) -> Html:
    """The style sheet, as the element that a page begins with."""
    rules = f".sl{{{_DARK if dark else _LIGHT}}}{_RULES}"
    return Html(f"<style>{rules.replace(chr(10), '')}</style>")
