// All words that a reader meets in the page's games, by the language of the page.
(function () {
'use strict';

const WORDS = {
  en: {
    game: 'A generative adversarial network, training in this page',
    play: 'Play', pause: 'Pause', on: 'Play on', step: 'One step', epoch: 'One epoch',
    reset: 'Start over',
    preset: 'Settings', presets: {book: "the book's", closer: 'closer', mine: 'your own'},
    seed: 'Seed', speed: 'Speed', speeds: rate => `${rate} epochs a second`,
    lr_D: "D's learning rate", lr_G: "G's learning rate", beta1: "Adam's memory, beta1",
    init_std: 'Spread of the first weights',
    objective: 'Loss', objectives: {
      bce: 'cross-entropy', label_smoothing: 'cross-entropy, labels smoothed', minimax: 'minimax',
      least_squares: 'least squares', hinge: 'hinge', wasserstein: 'Wasserstein, clipped',
      relativistic: 'relativistic',
    },
    prior: 'Noise', priors: {normal: 'normal', uniform: 'uniform'},
    real: 'real points', fake: 'generated points', truth: 'the true Gaussian',
    learned: "the generator's", fence: 'where D cannot tell', pull: 'where D sends G',
    losses: 'Losses', loss_D: 'discriminator', loss_G: 'generator', balance: 'nobody can win',
    distance: 'Squared distance to the truth', floor: 'the 1,000 points themselves',
    close: 'close', axis: epoch => `epoch ${epoch}`,
    at: epoch => `Epoch ${epoch}. `,
    verdicts: ['As close as the points themselves', 'Close', 'Near, but not there', 'Still far'],
    verdict: (name, off) => `${name}: a point is off by about ${off}.`,
    least: (name, off) => `${name}: a point is off by at least ${off}.`,
    lost: 'The weights are no longer numbers. Start over, with smaller learning rates.',
    planeLabel: (mean, verdict) =>
      `Real and generated points in the plane, and what the discriminator thinks of each place. ` +
      `The generated points lie around (${mean}); the real ones around (1, 2). ${verdict}`,
    lossLabel: (D, G) => `Losses by epoch: the discriminator's is ${D}, the generator's ${G}.`,
    distanceLabel: (d, floor) =>
      `Squared Wasserstein-2 distance to the truth by epoch: ${d}. The points are at ${floor}.`,
    look: {
      start: 'Blue points are real. Orange ones come from a generator that has learned nothing ' +
        'yet. Press Play, and watch the losses: they start out equal, and prove nothing.',
      even: 'Balanced losses, and yet the ellipses are apart: the discriminator has lost sight ' +
        'of the difference. Losses are a thermometer of the game, not of the points.',
      wins: 'The discriminator has found a line between the two. Each tail leaves an orange ' +
        'point in the direction that looks more real: all that the generator ever learns.',
      chase: 'The boundary goes where the orange points are, and they go where it lets them. ' +
        'Watch the two ellipses: first the place comes right, then the shape.',
      done: 'The two ellipses lie on each other, and the colours have faded: there is hardly a ' +
        'place left where real and generated could be told apart.',
      uniform: 'Uniform noise makes a parallelogram. It can have the mean and the covariance of ' +
        'a Gaussian, and is none: the distance compares no more than those two.',
    },
    films: {play: 'Play the films', pause: 'Pause the films'},
    drawing: {
      group: 'Draw with the trained generator', load: 'Load the generator and draw',
      loading: 'The generator is being loaded.',
      missing: "The generator's file is not beside this page: build the book again.",
      picture: 'A generated digit', pictureOf: digit => `A generated ${digit}`,
      another: 'Another one', digit: digit => `Draw a ${digit}`, digits: 'Which digit',
      walk: ['Walk across', 'Walk down'], direction: number => `Direction ${number}`,
      note: 'The map has four samples at its corners; between them lies noise that is mixed of ' +
        'theirs. The directions are those to which the first layer answers most.',
    },
  },
  'zh-CN': {
    game: '在本页中训练的生成对抗网络',
    play: '开始', pause: '暂停', on: '继续', step: '走一步', epoch: '走一轮',
    reset: '重新开始',
    preset: '设置', presets: {book: '书中的', closer: '更接近', mine: '自定'},
    seed: '随机种子', speed: '速度', speeds: rate => `每秒${rate}轮`,
    lr_D: '判别器的学习率', lr_G: '生成器的学习率', beta1: 'Adam的记忆beta1',
    init_std: '初始权重的标准差',
    objective: '损失函数', objectives: {
      bce: '交叉熵', label_smoothing: '交叉熵（标签平滑）', minimax: '极小极大',
      least_squares: '最小二乘', hinge: '合页损失', wasserstein: 'Wasserstein（权重裁剪）',
      relativistic: '相对式',
    },
    prior: '噪声的先验', priors: {normal: '正态分布', uniform: '均匀分布'},
    real: '真实的点', fake: '生成的点', truth: '真实的高斯分布',
    learned: '生成器的分布', fence: '判别器分不清之处', pull: '判别器给生成器指的方向',
    losses: '损失', loss_D: '判别器', loss_G: '生成器', balance: '谁也赢不了',
    distance: '到真实分布的距离（平方）', floor: '1000个样本点自身',
    close: '接近', axis: epoch => `第${epoch}轮`,
    at: epoch => `第${epoch}轮。`,
    verdicts: ['与样本点自身一样接近', '接近', '靠近了，但还没到', '还很远'],
    verdict: (name, off) => `${name}：每个点大约偏离${off}。`,
    least: (name, off) => `${name}：每个点至少偏离${off}。`,
    lost: '权重已经不是数了。请调小学习率，重新开始。',
    planeLabel: (mean, verdict) =>
      `平面上真实的点和生成的点，以及判别器对每一处的看法。` +
      `生成的点在(${mean})附近，真实的点在(1, 2)附近。${verdict}`,
    lossLabel: (D, G) => `每一轮的损失：判别器为${D}，生成器为${G}。`,
    distanceLabel: (d, floor) =>
      `每一轮到真实分布的Wasserstein-2距离的平方：${d}。样本点自身为${floor}。`,
    look: {
      start: '蓝色的点是真实的；橙色的点来自生成器，它还什么都没有学到。按“开始”，' +
        '先看两个损失：它们一开始就相等，但这说明不了什么。',
      even: '两个损失势均力敌，两个椭圆却没有重合：判别器看不出差别了。损失只是这场博弈的温度计，' +
        '并不告诉我们生成的点有多好。',
      wins: '判别器在两者之间找到了一条界线。每个橙色的点都拖着一条短线，指向看起来更真实的方向：' +
        '生成器能学到的只有这些。',
      chase: '界线追着橙色的点，橙色的点又跟着界线走。请看两个椭圆：先是位置对了，然后是形状。',
      done: '两个椭圆重合，颜色也淡了：几乎没有一处还能把真实的点和生成的点区分开。',
      uniform: '均匀的噪声生成一个平行四边形。它可以有高斯分布的均值和协方差，却不是高斯分布：' +
        '这里的距离只比较这两者。',
    },
    films: {play: '播放动画', pause: '暂停动画'},
    drawing: {
      group: '用训练好的生成器作画', load: '载入生成器，开始作画',
      loading: '正在载入生成器。',
      missing: '本页旁边没有生成器的文件：请重新生成本书。',
      picture: '生成的数字', pictureOf: digit => `生成的数字${digit}`,
      another: '再来一个', digit: digit => `画一个${digit}`, digits: '哪个数字',
      walk: ['横向移动', '纵向移动'], direction: number => `方向${number}`,
      note: '图的四角是四个样本，中间各处的噪声由它们混合而成。各个方向是第一层反应最强的方向。',
    },
  },
};

const lang = document.documentElement.lang || 'en';
window.WORDS = WORDS;
window.words = WORDS[lang] || (lang.startsWith('zh') ? WORDS['zh-CN'] : WORDS.en);
})();
