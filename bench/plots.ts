/** What the plots have in common. */
import type { Config } from 'vega-lite';
import { names, type Subject, subjects } from './tasks.js';

/** Told apart without red and green (Okabe and Ito). */
const colors: Readonly<Record<Subject, string>> = {
  ours: '#0072B2',
  careful: '#E69F00',
  documented: '#56B4E9',
  builtin: '#D55E00',
};

export const config: Config = {
  // A label for each point would be most of the file; the picture has its text beside it.
  aria: false,
  background: 'white',
  font: 'Helvetica, Arial, sans-serif',
  axis: {
    labelLimit: 400,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    gridColor: '#e5e5e5',
    domainColor: '#888',
  },
  legend: { labelFontSize: 12, title: null, orient: 'top', labelLimit: 300 },
  header: { labelFontSize: 13, labelAnchor: 'start', title: null },
  title: { fontSize: 14, fontWeight: 'bold', anchor: 'start' },
  view: { stroke: null },
};

export const subjectScale = {
  domain: subjects.map((subject) => names[subject]),
  range: subjects.map((subject) => colors[subject]),
};
