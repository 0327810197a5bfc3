// Names that build.mjs may shorten: members that only our own modules call each other by.
//
// None of a browser's, and none that crosses a port or a channel, lies in storage, or belongs to the
// app: two builds shorten differently, and rows and ports outlive a build. `test/mangle.test.mjs`
// holds that; a name it refuses does not belong here.
const OWN = [
  // Page.
  'received', 'handlers', 'handlerFailed', 'emit', 'foregroundTold', 'setUp', 'policySet', 'missed',
  // Page and worker.
  'post', 'welcomed', 'sink', 'need', 'gone', 'live',
  // Worker.
  'joined', 'awaited', 'dropped', 'settled', 'progressed', 'keep', 'receiptsTaken', 'needToken', 'knownIds', 'known', 'missedSince',
  'replaced', 'displayed', 'showing', 'abandoned', 'unshown', 'touch', 'settle', 'expire', 'free', 'remaining', 'maybe',
  'tell', 'consider', 'seen', 'keepCloses', 'replied', 'wants', 'listens', 'awaits', 'offer', 'postLive', 'pump', 'leave',
  'renew', 'unsubscribed', 'wish', 'superseded', 'recalls', 'returned', 'needed', 'relay', 'say',
  'forgetBelow', 'unwritten', 'below', 'sent', 'takeClicks',
];

export const mangleProps = new RegExp(`^(${OWN.join('|')})$`);
export default OWN;
