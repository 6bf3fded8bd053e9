import { dialog } from 'electron';
import type { DialogPort } from '../../ports.ts';

export const electronDialogs: DialogPort = {
  async saveFile(proposal) {
    const { canceled, filePath } = await dialog.showSaveDialog({ defaultPath: proposal, properties: ['showOverwriteConfirmation', 'createDirectory'] });
    return canceled || filePath === '' ? null : filePath;
  },
  async ask({ message, detail, buttons }) {
    const { response } = await dialog.showMessageBox({
      type: 'question',
      message,
      detail,
      buttons: [...buttons],
      defaultId: 0,
      cancelId: buttons.length - 1,
      noLink: true,
    });
    return response;
  },
  fault(title, text) {
    dialog.showErrorBox(title, text);
  },
};
